import { setTimeout as sleep } from "node:timers/promises"
import type { PassthroughGateway } from "../../gateway/gateway.ts"
import type { PassthroughGatewayOptions } from "../../gateway/options.ts"
import type { PolicySettings } from "../../gateway/policies/options.ts"
import { Observations } from "../../metrics/observations.ts"
import { openMetricsRegistry, publish } from "../../metrics/publish.ts"
import { adviceOnPackage, isMissingModule } from "../../primitives/optional-package.ts"
import type { RefusalMode } from "../../proxy/policy.ts"
import { Overview } from "../admin/overview.ts"
import { type Admin, type AdminOptions, parseAdminAddress, startAdmin } from "../admin/server.ts"
import { type AccessSelection, isSelected, parseAccessSelection } from "../log/access-selection.ts"
import type { ConfigFeed } from "../log/config-feed.ts"
import { LOG_LEVELS, type LogLevel } from "../log/log-level.ts"
import { RateLimit } from "../log/rate-limit.ts"
import type { RunLog } from "../log/run-log.ts"
import { parseAddress, parsePortMapping, parseResolve, secondsOption, several, severalNamed } from "./arguments.ts"
import { type Command, InvalidArgumentError, Option } from "./commander.ts"
import { putServingFirst } from "./output.ts"
import { parsePolicy } from "./policy-flag.ts"
import { tellServiceManager } from "./service-manager.ts"
import { count } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** Flags of every command that serves. */
export interface ServingFlags {
  readonly resolve?: Readonly<Record<string, readonly string[]>>
  readonly address?: string
  readonly mapPort?: Readonly<Record<number, number>>
  readonly workers?: number | "auto"
  readonly policy?: PolicySettings
  readonly admin?: Pick<AdminOptions, "host" | "port">
  /** Milliseconds. */
  readonly drainDelay: number
  /** Milliseconds. */
  readonly drainTimeout: number
  readonly json?: true
  readonly logLevel: LogLevel
  readonly accessLog: AccessSelection
  readonly logHello?: true
  readonly refusal: RefusalMode
  readonly logProbes?: true
}

/** Adds the flags that decide how connections are served; `--refusal` has a default that suits the command. */
export function addServingFlags(command: Command, refusal: RefusalMode): Command {
  return command
    .option(
      "--resolve <host:port:addr[:port]>",
      "fixed address of an external backend, repeatable",
      several(parseResolve),
    )
    .option("--address <address>", "IP address to listen on where a Gateway asks for none", parseAddress)
    .option(
      "--map-port <gateway:local>",
      "listen on another port than the Gateway says, repeatable",
      several(parsePortMapping),
    )
    .option("--workers <number>", "threads that carry connections, or auto for one per core (default: 1)", parseWorkers)
    .option(
      "--policy <name=value>",
      "policy for all connections, repeatable: see tlsroute help policies",
      severalNamed(parsePolicy),
    )
    .option("--admin <address:port>", "serve health, metrics and routes over HTTP", parseAdmin)
    .addOption(secondsOption("--drain-delay <seconds>", "time to go on accepting once /readyz has turned off", 0))
    .addOption(secondsOption("--drain-timeout <seconds>", "time that connections may take to finish at the end", 30))
    .addOption(
      new Option(
        "--refusal <how>",
        "how refused clients learn of it: by a TLS alert that tells why, a plain end, or a reset",
      )
        .choices(["alert", "close", "reset"])
        .default(refusal),
    )
    .option("--json", "print one JSON object per event, as pino does")
    .addOption(
      new Option("--log-level <level>", "leave out what is less than this")
        .choices(Object.keys(LOG_LEVELS))
        .default("info"),
    )
    .addOption(
      new Option(
        "--access-log <which>",
        "connections that get a line; a share such as 1% is one of those that do not fail, and every failure",
      )
        .choices(["all", "failures", "none"])
        .argParser(parseAccessLog)
        .default("all"),
    )
    .option("--log-probes", "also give a line to connections that end without a byte, as load balancers' probes do")
    .option("--log-hello", "with --json: tell in those lines what each ClientHello offered, and its JA4")
}

/** The gateway's options that those flags stand for. */
export function servingOptions(flags: ServingFlags): Omit<PassthroughGatewayOptions, "source"> {
  const { resolve, address, mapPort, workers, policy: policies, logHello, refusal } = flags
  return { resolve, address, mapPort, workers, policies, refusal, describeHello: logHello ?? false }
}

/**
 * Starts the admin server that `--admin` asks for.
 *
 * @param flags - with or without `--admin`
 * @param gateway - what it tells of
 * @param isServing - whether new connections should be sent here
 * @param needsEveryPort - whether it is not ready before every port that is asked for was bound
 * @param log - is told where it listens
 * @param configs - the configurations that it tells of
 */
export async function openAdmin(
  { admin }: ServingFlags,
  gateway: PassthroughGateway,
  isServing: AdminOptions["isServing"],
  needsEveryPort: boolean,
  log: RunLog,
  configs: ConfigFeed,
): Promise<Admin | undefined> {
  if (admin === undefined) return undefined
  const observed = new Observations(gateway)
  const metrics = await optionalMetrics(observed)
  const overview = new Overview(gateway, observed.tallies, isServing)
  configs.follow((told) => overview.configured(told))
  let complete = false
  gateway.on("config", ({ bindings }) => {
    complete ||= bindings.length > 0 && bindings.every(({ bound }) => bound)
  })
  const wasComplete = needsEveryPort ? () => complete : undefined
  try {
    const started = await startAdmin({ ...admin, gateway, isServing, wasComplete, metrics, overview })
    log.admin(admin.host ?? "*", started.port)
    return started
  } catch (error) {
    throw new UsageError(`cannot serve --admin: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Gives those connections a line of the log that `--access-log` asks for. */
export function logConnections(gateway: PassthroughGateway, { accessLog, logProbes }: ServingFlags, log: RunLog): void {
  // Nobody is to put a record together that nobody reads.
  if (accessLog === "none") return
  gateway.on("close", (record) => {
    if (isSelected(accessLog, record, logProbes)) log.connection(record)
  })
  const limit = new RateLimit(FEW, WINDOW, (rest) => log.moreWaiting(rest))
  gateway.on("waiting", (connection, waiting) => {
    if (limit.admits()) log.waiting(connection, waiting)
  })
}

/** Tells of backends that are not reached, or are again. */
export function logBackends(gateway: PassthroughGateway, log: RunLog): void {
  gateway.on("health", (change) => log.health(change))
  // Where all is down there are as many as there are endpoints and names; the metrics count them all.
  const limit = new RateLimit(FEW, WINDOW, () => undefined)
  gateway.on("eject", (ejection) => {
    if (limit.admits()) log.eject(ejection)
  })
  gateway.on("lookupFailed", (failure) => {
    if (limit.admits()) log.lookupFailed(failure)
  })
}

/** What may come in great numbers is told one by one so often, in so many milliseconds: a backend that hangs has all of its own. */
const FEW = 5
const WINDOW = 10_000

/** From here on the first configuration serves. Tells the log, and systemd where it waits for that. */
export function beginServing(gateway: PassthroughGateway, log: RunLog): void {
  putServingFirst()
  log.started()
  const ports = gateway.addresses().filter(({ bound }) => bound).length
  const inForce = `${count(gateway.routeTable.routes.length, "route")} on ${count(ports, "port")}`
  tellServiceManager(log, "READY=1", `STATUS=serving ${inForce}`)
}

/** Goes on accepting until those who watch `/readyz` have had their time, then drains. `/readyz` must be off by now. */
export async function drain(gateway: PassthroughGateway, flags: ServingFlags, log: RunLog): Promise<void> {
  tellServiceManager(log, "STOPPING=1", "STATUS=draining")
  if (flags.drainDelay > 0) await sleep(flags.drainDelay)
  log.draining(gateway.connections.size)
  await gateway.close({ drainTimeout: flags.drainTimeout })
}

/** Metrics need `prom-client`, which is not everyone's. */
async function optionalMetrics(observed: Observations): Promise<AdminOptions["metrics"]> {
  try {
    // The module as a whole: a bundle in which it is a chunk of its own has none of its names beside `default`.
    const { Registry, collectDefaultMetrics } = (await import("prom-client")).default
    const registry = openMetricsRegistry(Registry)
    publish(observed, registry)
    collectDefaultMetrics({ register: registry })
    return registry
  } catch (error) {
    if (isMissingModule(error)) return undefined
    throw new UsageError(adviceOnPackage("metrics need", "prom-client", error))
  }
}

function parseAdmin(text: string): Pick<AdminOptions, "host" | "port"> {
  try {
    return parseAdminAddress(text)
  } catch {
    throw new InvalidArgumentError("Expected ADDRESS:PORT, for example 127.0.0.1:9900 or *:9900.")
  }
}

function parseAccessLog(text: string): AccessSelection {
  const selection = parseAccessSelection(text)
  if (selection === undefined) {
    throw new InvalidArgumentError("Expected all, failures, none, or a share of the connections, for example 1%.")
  }
  return selection
}

function parseWorkers(text: string): number | "auto" {
  if (text === "auto") return text
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 1024) return number
  throw new InvalidArgumentError("Expected auto, or a whole number from 1 to 1024.")
}
