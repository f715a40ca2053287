const batchSeconds = 0.02

/**
 * CPU nanoseconds that one call takes, garbage collection and compilation included: the median of batches, after a
 * warm-up. It is time charged by the system, so that other programs on the machine do not count.
 *
 * @param {(calls: number) => unknown} run makes that many calls; what it returns is awaited
 * @param {number} [batches]
 */
export async function perCall(run, batches = 25) {
  let calls = 1
  let spent = 0
  while (spent < batchSeconds) {
    calls = Math.ceil(calls * (spent === 0 ? 4 : Math.min(4, (1.3 * batchSeconds) / spent)))
    spent = await cpuSeconds(() => run(calls))
  }
  const samples = []
  for (let batch = 0; batch < 2 * batches; batch++) {
    const seconds = await cpuSeconds(() => run(calls))
    if (batch >= batches) samples.push((seconds * 1e9) / calls)
  }
  return samples.sort((a, b) => a - b)[batches >> 1]
}

/**
 * Milliseconds of the best of some runs: what the machine's other work did not slow down.
 *
 * @param {(round: number) => unknown} run
 * @param {number} rounds
 */
export function best(run, rounds) {
  const samples = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    run(round)
    samples.push(performance.now() - start)
  }
  return Math.min(...samples)
}

/** @param {() => unknown} run */
async function cpuSeconds(run) {
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
