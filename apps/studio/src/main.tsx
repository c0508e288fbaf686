import { render } from 'preact';
import { App } from './components/app.tsx';
import { keepOffline } from './keep-offline.ts';
import { start } from './studio.ts';

render(<App />, document.getElementById('app')!);
void keepOffline().then(start);
