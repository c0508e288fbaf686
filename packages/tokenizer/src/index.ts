export { TokenizerFileError } from './errors.ts';
export { loadTokenizer, type Tokenizer } from './load-tokenizer.ts';
export { type TokenizerFileName, type TokenizerFiles, tokenizerFileNames } from './tokenizer-files.ts';
