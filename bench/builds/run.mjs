// Runs a program for WASI by Node: `node run.mjs ROOT PROGRAM [ARGUMENT…]`; it sees the files below
// ROOT, by their paths from there.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [root, program, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...args], preopens: { ".": root } });
const module = await WebAssembly.compile(await readFile(program));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
