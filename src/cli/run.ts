import { Command } from "commander"
import { GatewayError } from "../gateway/errors.ts"
import { createPassthroughGateway } from "../gateway/gateway.ts"
import { fileSource } from "../sources/file-source.ts"
import { SourceError } from "../sources/source-error.ts"
import { parseAddress, parsePortMapping, parseResolve, secondsOption } from "./arguments.ts"
import { goOnWithoutOutput } from "./output-failure.ts"
import { addRoutingFlags, type RoutingFlags, routeTableOptions } from "./routing-flags.ts"
import { jsonLog, terminalLog } from "./run-log.ts"
import { firstSignal } from "./signals.ts"
import { UsageError } from "./usage-error.ts"

interface RunFlags extends RoutingFlags {
  readonly resolve?: Readonly<Record<string, readonly string[]>>
  readonly address?: string
  readonly mapPort?: Readonly<Record<number, number>>
  readonly drainTimeout: number
  readonly json?: true
}

/** `tlsroute run`: serves what manifests say, and follows their changes until a signal ends it. */
export function runCommand(): Command {
  return addRoutingFlags(new Command("run"))
    .description("serve the Gateways and TLSRoutes of manifests, and follow their changes")
    .argument("<files...>", "YAML or JSON files, directories of them, or - for standard input")
    .option("--resolve <host:port:addr[:port]>", "fixed address of an external backend, repeatable", parseResolve)
    .option("--address <address>", "IP address to listen on where a Gateway asks for none", parseAddress)
    .option("--map-port <gateway:local>", "listen on another port than the Gateway says, repeatable", parsePortMapping)
    .addOption(secondsOption("--drain-timeout <seconds>", "time that connections may take to finish at the end", 30))
    .option("--json", "print one JSON object per event")
    .addHelpText("after", "\nThe first Ctrl-C stops listening and lets connections finish, the second ends them.")
    .action(run)
}

async function run(files: readonly string[], flags: RunFlags): Promise<void> {
  const { resolve, address, mapPort, drainTimeout } = flags
  const source = fileSource(files)
  const gateway = createPassthroughGateway({ source, resolve, address, mapPort, ...routeTableOptions(flags) })
  const log = flags.json ? jsonLog(source.locate) : terminalLog(source.locate)
  let started = false
  gateway.on("config", (applied) => log.config(applied))
  gateway.on("close", (record) => log.connection(record))
  gateway.on("error", (error) => {
    // What happens before the start is over is told by how it ends.
    if (started) log.error(error)
  })
  try {
    await gateway.start()
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    if (error.cause instanceof SourceError) throw new UsageError(error.cause.message)
    log.error(error)
    process.exitCode = 1
    return
  }
  started = true
  goOnWithoutOutput()
  log.started()
  await firstSignal()
  log.draining(gateway.connections.size)
  await gateway.close({ drainTimeout })
  log.stopped()
}
