import { failureLines, judge, plainTable, ratios, tables } from "./table.mjs"

/** @typedef {import("./run.mjs").Results} Results */

/**
 * Prints what a run has found.
 *
 * @param {Results} results
 */
export function printReport(results) {
  console.log(describe(results))
  for (const { title, explanation, head, rows } of tables(results)) {
    console.log(`\n${title}\n${explanation}\n\n${plainTable(head, rows)}`)
  }
  const { head, rows, verdicts } = ratios(results)
  if (rows.length > 0) {
    console.log(`\nWhat the gateway is held to\n\n${plainTable(head, rows)}\n\n${judge(verdicts).join("\n")}`)
  }
  Object.entries(results.ceiling).forEach(([name, value], i) => {
    console.log(`${i === 0 ? "\nWithout a proxy: " : "                 "}${name} ${value.toFixed(2)}`)
  })
  for (const { id, title } of results.peers) {
    const spare = Object.entries(results.busy[id])
      .map(([measure, shares]) => ({ measure, share: Math.min(...shares) }))
      .filter(({ measure, share }) => !/^(roundtrip|handshake)/.test(measure) && share < 0.8)
      .map(({ measure, share }) => `${measure} ${(share * 100).toFixed(0)} %`)
    if (spare.length > 0) {
      console.log(`${title} had CPU time to spare, something else set the pace: ${spare.join(", ")} busy`)
    }
  }
  for (const line of failureLines(results)) console.log(line)
  for (const { title, missing } of results.missing) console.log(`${title}: ${missing}`)
}

/** @param {Results} results */
function describe({ machine, groups, peers }) {
  return [
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}`,
    ...Object.entries(groups).map(([id, { rounds, seconds }]) => `${id}: ${rounds} rounds, windows of ${seconds} s`),
    "medians; ± is the largest deviation from the median",
    ...peers.map(({ title, version }) => `${title}: ${version}`),
  ].join("\n")
}
