#!/usr/bin/env node
import { endOnOutputFailure } from "./shared/output.ts"
import { isErrno } from "./shared/usage-error.ts"

endOnOutputFailure()

import("./program.ts")
  .then(({ runProgram }) => runProgram(process.argv.slice(2)))
  .catch((error: unknown) => {
    // commander is optional to those who use the library alone.
    if (!isErrno(error) || error.code !== "ERR_MODULE_NOT_FOUND" || !error.message.includes("'commander'")) throw error
    process.stderr.write("tlsroute: the command needs the package commander: run npm install commander\n")
    process.exitCode = 2
  })
