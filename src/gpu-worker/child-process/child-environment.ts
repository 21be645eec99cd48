/** What a child needs of its parent's environment: where programs and libraries are, the language, how it computes. */
const NAMES =
  /^(PATH|HOME|TMPDIR|TEMP|TMP|SystemRoot|TZ|LANG|LC_[A-Z]+|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_COMPILE_CACHE|NODE_V8_COVERAGE|(CUDA|NVIDIA|OMP|ORT|GGML)_[A-Z0-9_]+)$/

/**
 * The environment of a process that works on what users sent: of its parent's only what is known to be no secret. Keys of
 * the API, the hub or a store are never in it, whatever they are called.
 */
export const childEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => NAMES.test(name)))
