// The loop of one target: mutate, run, keep what reaches new code.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { parentPort, workerData } from "node:worker_threads"
import { Coverage } from "./coverage.mjs"
import { createMutator } from "./mutate.mjs"

/** Statements for each byte of an input, and for so many bytes more, beyond which its target is taken for not linear. */
const STEPS_PER_BYTE = 1000
const FREE_BYTES = 500
/** Milliseconds beyond which an input is slow, when the quickest of several runs takes so long: a busy machine is not the target's fault. */
const SLOW_MS = 500
const SLOW_RUNS = 5

const { bundle, dictionary, inputs, corpora, grown, milliseconds, seed, shared, maxInput } = workerData
const state = new Int32Array(shared, 0, 2)
const shown = new Uint8Array(shared, 8)

/** @type {{ fuzz: (data: Buffer) => void }} */
const { fuzz } = createRequire(import.meta.url)(bundle)
const coverage = new Coverage(Reflect.get(globalThis, "__fuzz_coverage__"))
/** @type {Uint8Array[]} */
const corpus = []
let executions = 0

/**
 * Runs one input; true when it did something that none did before.
 *
 * @param {Uint8Array} input
 */
function run(input) {
  shown.set(input)
  Atomics.store(state, 1, input.length)
  executions += 1
  Atomics.store(state, 0, executions)
  coverage.reset()
  const startedAt = performance.now()
  fuzz(Buffer.from(input))
  const took = performance.now() - startedAt
  const isNew = coverage.isNew()
  if (coverage.steps > STEPS_PER_BYTE * (input.length + FREE_BYTES)) {
    throw new Error(`${coverage.steps} statements for ${input.length} bytes: not linear`)
  }
  if (took > SLOW_MS) expectQuicker(input)
  return isNew
}

/**
 * What counts no statements can be slow too: regular expressions, copies.
 *
 * @param {Uint8Array} input
 */
function expectQuicker(input) {
  let quickest = Number.POSITIVE_INFINITY
  for (let count = 0; count < SLOW_RUNS && quickest > SLOW_MS; count += 1) {
    const startedAt = performance.now()
    fuzz(Buffer.from(input))
    quickest = Math.min(quickest, performance.now() - startedAt)
  }
  if (quickest > SLOW_MS) throw new Error(`${quickest.toFixed(0)} ms for ${input.length} bytes: too slow`)
}

/** @param {string} [finding] */
function report(finding) {
  const input = shown.slice(0, state[1])
  const outcome = { executions, features: coverage.features, corpus: corpus.length }
  parentPort?.postMessage(finding === undefined ? outcome : { ...outcome, finding: { input, message: finding } })
}

function fuzzUntilTime() {
  const files = corpora
    .filter((/** @type {string} */ directory) => existsSync(directory))
    .flatMap((/** @type {string} */ directory) => readdirSync(directory).map((file) => join(directory, file)))
  for (const file of [...inputs, ...files]) {
    const input = readFileSync(file).subarray(0, maxInput)
    if (run(input)) corpus.push(input)
  }
  if (inputs.length > 0) return
  if (corpus.length === 0) corpus.push(Buffer.alloc(1))
  const mutate = createMutator({ seed, dictionary, maxInput })
  const end = Date.now() + milliseconds
  for (let now = Date.now(); now < end; now = Date.now()) {
    for (let count = 0; count < 64; count += 1) {
      const input = mutate(corpus)
      if (!run(input)) continue
      corpus.push(input)
      writeFileSync(join(grown, createHash("sha256").update(input).digest("hex").slice(0, 16)), input)
    }
  }
}

try {
  fuzzUntilTime()
  report()
} catch (error) {
  report(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
