// Runs every target of this folder, NAME.fuzz.ts, one after another. See README.md here.
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { buildTarget } from "./build.mjs"

const help = `Usage: npm run fuzz -- [options] [FILE…]

  --seconds N  time for all targets together (60)
  --only TEXT  targets whose name contains TEXT
  --seed N     start of the random numbers (the clock)
  --hang N     seconds after which an input hangs (10)
  --from DIR   where targets are, and their corpora (this folder)
  FILE         inputs to run once each, instead of fuzzing; with --only
`

const cache = resolve(import.meta.dirname, "../../node_modules/.cache/fuzz")
const findings = join(cache, "findings")
const MAX_INPUT = 8192

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    only: { type: "string", default: "" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    hang: { type: "string", default: "10" },
    from: { type: "string", default: import.meta.dirname },
    help: { type: "boolean", default: false },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
const hang = Number(values.hang)
const here = resolve(values.from)
const targets = readdirSync(here)
  .filter((file) => file.endsWith(".fuzz.ts") && file.includes(values.only))
  .map((file) => basename(file, ".fuzz.ts"))
  .sort()

if (values.help || !(seconds > 0) || !(hang > 0) || !Number.isInteger(seed) || targets.length === 0) {
  console.error(help)
  process.exit(values.help ? 0 : 2)
}

mkdirSync(findings, { recursive: true })
let failed = 0
const startedAt = Date.now()
const parallel = Math.min(targets.length, Math.max(1, availableParallelism() - 1))
const queue = [...targets]
const rounds = Math.ceil(targets.length / parallel)
await Promise.all(
  Array.from({ length: parallel }, async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) await runTarget(name)
  }),
)
const took = ((Date.now() - startedAt) / 1000).toFixed(0)
console.log(`${targets.length - failed} of ${targets.length} targets without a finding, in ${took} s, seed ${seed}`)
process.exitCode = failed === 0 ? 0 : 1

/**
 * Fuzzes one target in a thread of its own, so that an input it never comes back from can be told and stopped.
 *
 * @param {string} name
 */
async function runTarget(name) {
  const bundle = await buildTarget(join(here, `${name}.fuzz.ts`), join(cache, "targets"))
  // What the thread is at: its count of inputs so far, the current one's length, and its bytes.
  const shared = new SharedArrayBuffer(8 + MAX_INPUT)
  const worker = new Worker(new URL("worker.mjs", import.meta.url), {
    workerData: {
      bundle: bundle.file,
      dictionary: bundle.dictionary,
      inputs: positionals,
      corpora: positionals.length > 0 ? [] : [join(here, "corpus", name), corpusDirectory(name)],
      grown: corpusDirectory(name),
      milliseconds: (seconds * 1000) / rounds,
      seed,
      shared,
      maxInput: MAX_INPUT,
    },
    resourceLimits: { maxOldGenerationSizeMb: 2048 },
  })
  const outcome = await watch(worker, shared)
  if (outcome.finding === undefined) {
    console.log(`${name}: ${outcome.executions} inputs, ${outcome.features} features, corpus of ${outcome.corpus}`)
    return
  }
  failed += 1
  const { input, message } = outcome.finding
  const file = join(findings, `${name}-${createHash("sha256").update(input).digest("hex").slice(0, 16)}`)
  writeFileSync(file, input)
  console.error(`${name}: FINDING after ${outcome.executions} inputs: ${message}`)
  console.error(`  ${input.length} bytes: ${Buffer.from(input.subarray(0, 128)).toString("hex")}`)
  console.error(`  again: npm run fuzz -- --only ${name} ${file}`)
}

/**
 * @typedef {{ executions: number, features: number, corpus: number, finding?: { input: Uint8Array, message: string } }} Outcome
 *
 * @param {Worker} worker
 * @param {SharedArrayBuffer} shared
 * @returns {Promise<Outcome>}
 */
function watch(worker, shared) {
  const state = new Int32Array(shared, 0, 2)
  const current = () => new Uint8Array(shared, 8, state[1]).slice()
  return new Promise((resolve) => {
    let last = -1
    /** @param {string} message */
    const found = (message) => {
      clearInterval(timer)
      const finding = { input: current(), message }
      worker.terminate().then(() => resolve({ executions: Atomics.load(state, 0), features: 0, corpus: 0, finding }))
    }
    const timer = setInterval(() => {
      const executions = Atomics.load(state, 0)
      if (executions > 0 && executions === last) found(`no answer within ${hang} s`)
      last = executions
    }, hang * 1000)
    worker.once("message", (/** @type {Outcome} */ outcome) => {
      clearInterval(timer)
      resolve(outcome)
    })
    worker.once("error", (error) => found(String(error.stack ?? error)))
  })
}

/** @param {string} name */
function corpusDirectory(name) {
  const directory = join(cache, "corpus", name)
  mkdirSync(directory, { recursive: true })
  return directory
}
