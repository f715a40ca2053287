/** Settles with the first SIGINT or SIGTERM; the second one ends the process. */
export function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0
    const onSignal = (_name: NodeJS.Signals, number: number): void => {
      signals += 1
      if (signals > 1) process.exit(128 + number)
      resolve()
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
  })
}
