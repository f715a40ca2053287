#!/usr/bin/env node
import { version } from "../../package.json"
import { loadCommander } from "./shared/commander.ts"
import { endOnOutputFailure } from "./shared/output.ts"
import { UsageError } from "./shared/usage-error.ts"

endOnOutputFailure()

const args = process.argv.slice(2)

// Who asks for the version may have nothing else installed.
const program =
  args.length === 1 && (args[0] === "--version" || args[0] === "-V")
    ? Promise.resolve(void process.stdout.write(`${version}\n`))
    : run()

program.catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`tlsroute: ${error.message}\n`)
  process.exitCode = 2
})

async function run(): Promise<void> {
  await loadCommander()
  const { runProgram } = await import("./program.ts")
  await runProgram(args)
}
