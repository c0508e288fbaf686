import { render } from 'preact';
import { App } from './components/app.tsx';
import { start } from './studio.ts';

render(<App />, document.getElementById('app')!);
void start();
