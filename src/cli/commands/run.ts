import { GatewayError } from "../../gateway/errors.ts"
import { createPassthroughGateway } from "../../gateway/gateway.ts"
import { type FileSource, fileSource } from "../../sources/file-source.ts"
import { SourceError } from "../../sources/source-error.ts"
import { ConfigFeed } from "../log/config-feed.ts"
import { setLogLevel } from "../log/log-level.ts"
import { jsonLog, type RunLog, terminalLog } from "../log/run-log.ts"
import { Command, Option } from "../shared/commander.ts"
import { outliveOutput } from "../shared/output.ts"
import { locateProblems, routesWithoutParent, withoutEchoes } from "../shared/problems.ts"
import { addRoutingFlags, type RoutingFlags, routeTableOptions } from "../shared/routing-flags.ts"
import {
  addServingFlags,
  beginServing,
  drain,
  logBackends,
  logConnections,
  openAdmin,
  type ServingFlags,
  servingOptions,
} from "../shared/serving.ts"
import { signalsHelp, takeSignals } from "../shared/signals.ts"
import { UsageError } from "../shared/usage-error.ts"
import { dryRun } from "./dry-run.ts"

interface RunFlags extends RoutingFlags, ServingFlags {
  readonly allowEmpty?: true
  readonly onError: "keep" | "apply"
  readonly dryRun?: true
}

/** `tlsroute run`: serves what manifests say, and follows their changes until a signal ends it. */
export function runCommand(): Command {
  return addServingFlags(addRoutingFlags(new Command("run")), "alert")
    .description("serve the Gateways and TLSRoutes of manifests, and follow their changes")
    .argument("<files...>", "YAML or JSON files, directories of them, or - for standard input")
    .option("--allow-empty", "start without a port to serve, and without files that are to come")
    .addOption(
      new Option("--on-error <what>", "keep the last good version of an object that turns bad, or apply what is left")
        .choices(["keep", "apply"])
        .default("keep"),
    )
    .option("--dry-run", "tell what would change in the gateway behind --admin, and serve nothing")
    .addHelpText("after", signalsHelp("reads the files again now, and goes on"))
    .action(run)
}

async function run(files: readonly string[], flags: RunFlags): Promise<void> {
  if (flags.dryRun) return dryRun(files, flags)
  const source = fileSource(files, { allowMissing: flags.allowEmpty ?? false })
  const gateway = createPassthroughGateway({
    source,
    onError: flags.onError,
    ...servingOptions(flags),
    ...routeTableOptions(flags),
  })
  // A full disk, or a reader that has gone, is no reason not to come up again.
  outliveOutput()
  setLogLevel(flags.logLevel)
  const log = flags.json ? jsonLog() : terminalLog()
  const ended = takeSignals(() => void reload(source, log))
  let started = false
  const configs = new ConfigFeed(gateway, ({ problems, table }) =>
    locateProblems(withoutEchoes([...problems, ...routesWithoutParent(table)]), source.locate),
  )
  configs.follow((told) => log.config(told))
  logConnections(gateway, flags, log)
  logBackends(gateway, log)
  gateway.on("error", (error) => {
    // What happens before the start is over is told by how it ends.
    if (started) log.error(error)
  })
  let serving = false
  const admin = await openAdmin(flags, gateway, () => serving, true, log, configs)
  const unusable = flags.allowEmpty ? "serve" : "reject"
  try {
    started = await Promise.race([gateway.start({ unusable }).then(() => true), ended.then(() => false)])
  } catch (error) {
    await admin?.close()
    if (!(error instanceof GatewayError)) throw error
    if (error.cause instanceof SourceError) throw new UsageError(error.cause.message)
    if (error.code === "ERR_TLSROUTE_UNUSABLE") {
      throw new UsageError(`${error.message}; --allow-empty starts all the same`)
    }
    log.error(error)
    log.stopped()
    process.exitCode = 1
    return
  }
  if (started) {
    serving = true
    beginServing(gateway, log)
    await ended
    serving = false
    await drain(gateway, flags, log)
  } else {
    await gateway.close({ drainTimeout: 0 })
    // What waits for standard input would keep the process alive.
    process.stdin.destroy()
  }
  await admin?.close()
  log.stopped()
}

/** For `SIGHUP`: what is found is told with the configuration that it makes; what is not is told here. */
async function reload(source: FileSource, log: RunLog): Promise<void> {
  log.reloading()
  if (!(await source.reload())) log.unchanged()
}
