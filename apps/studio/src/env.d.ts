interface ImportMetaEnv {
  /** Address of the embedded model's folder, relative to the page. */
  readonly EMBEDDED_MODEL: string;
}
