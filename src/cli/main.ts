#!/usr/bin/env node
import { version } from "../../package.json"
import { endOnOutputFailure } from "./shared/output.ts"
import { isMissingModule } from "./shared/usage-error.ts"

endOnOutputFailure()

const args = process.argv.slice(2)

// Who asks for the version may have nothing else installed.
const program =
  args.length === 1 && (args[0] === "--version" || args[0] === "-V")
    ? Promise.resolve(void process.stdout.write(`${version}\n`))
    : import("./program.ts").then(({ runProgram }) => runProgram(args))

program.catch((error: unknown) => {
  // commander is optional to those who use the library alone.
  if (!isMissingModule(error) || !error.message.includes("'commander'")) throw error
  process.stderr.write("tlsroute: the command needs the package commander: run npm install commander\n")
  process.exitCode = 2
})
