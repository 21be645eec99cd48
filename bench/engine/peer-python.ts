import { pythonWith } from '../../scripts/python-venv.ts'

/** A Python that has the peers: the one that `GAVEL_BENCH_PYTHON` names, else one made when first asked for. */
export const peerPython = () => pythonWith('bench/requirements.txt', 'bench', 'GAVEL_BENCH_PYTHON')
