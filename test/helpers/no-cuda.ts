/** What is said once where nobody asked for the CPU and onnxruntime-node was installed as the lockfile does it. */
export const NO_CUDA =
  'computing on the CPU: onnxruntime-node has no CUDA libraries here (docs/deploy.md, "On a GPU", installs them); with GAVEL_DEVICE=cpu this is not said'
