import { isIP } from "node:net"
import { hostname } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { createPassthroughGateway, type PassthroughGateway } from "../../gateway/gateway.ts"
import type { EndpointHealthChange } from "../../gateway/health-checks.ts"
import type { ClusterAccess } from "../../kubernetes/cluster-access.ts"
import { KubernetesError } from "../../kubernetes/errors.ts"
import { ensureGatewayClass } from "../../kubernetes/gateway-class.ts"
import type { LeaseOptions } from "../../kubernetes/leader-election.ts"
import { type ServiceAddresses, watchServiceAddresses } from "../../kubernetes/service-addresses.ts"
import { kubernetesSource } from "../../kubernetes/source.ts"
import { type StatusWriter, startStatusWriter } from "../../kubernetes/status-writer.ts"
import { DEFAULT_CONTROLLER_NAME } from "../../routing/options.ts"
import type { Gateway } from "../../routing/resources.ts"
import { type ClusterLog, jsonClusterLog, terminalClusterLog } from "../log/cluster-log.ts"
import { ConfigFeed } from "../log/config-feed.ts"
import { setLogLevel } from "../log/log-level.ts"
import { jsonLog, type RunLog, terminalLog } from "../log/run-log.ts"
import { parseAddress, parseList, secondsOption, severalNamed } from "../shared/arguments.ts"
import { addClusterFlags, type ClusterFlags, clusterAccess } from "../shared/cluster.ts"
import { Command, InvalidArgumentError } from "../shared/commander.ts"
import { type LocationFlags, locate } from "../shared/location.ts"
import { outliveOutput } from "../shared/output.ts"
import { boundAddresses } from "../shared/published-addresses.ts"
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
import { formatAddress } from "../shared/terminal.ts"

interface ObjectName {
  readonly namespace: string
  readonly name: string
}

interface ControllerFlags extends ServingFlags, ClusterFlags, LocationFlags {
  readonly controllerName: string
  readonly gatewayClass?: readonly string[]
  readonly createGatewayClass?: true
  readonly watchNamespaces?: readonly string[]
  readonly externalBackends?: readonly string[]
  readonly externalNameServices?: true
  readonly gatewayAddress?: ReadonlyMap<string, readonly string[]>
  readonly publishAddress?: readonly string[]
  readonly publishService?: ObjectName
  /** True when left out, false with `--no-lease`. */
  readonly lease: ObjectName | boolean
  /** False with `--no-events`. */
  readonly events: boolean
  readonly leaseDuration: number
  readonly identity?: string
}

const DEFAULT_CLASS = "tlsroute"
const CLASS_RETRY_MS = 5_000
/** Routes to one endpoint that are told of its health. */
const MAX_ROUTES_TOLD = 20

/** `tlsroute controller`: serves what a Kubernetes API server says, and writes statuses back. */
export function controllerCommand(): Command {
  const command = addClusterFlags(new Command("controller"))
    .description("serve the Gateways and TLSRoutes of a Kubernetes cluster, and write their statuses")
    .option("--controller-name <name>", "serve GatewayClasses of this controller", DEFAULT_CONTROLLER_NAME)
    .option("--gateway-class <names>", "serve only Gateways of these classes", parseList)
    .option("--create-gateway-class", `create those classes, or "${DEFAULT_CLASS}", where they are missing`)
    .option("--watch-namespaces <names>", "read these namespaces only (default: all)", parseList)
    .option("--external-backends <patterns>", "DNS names that backendRefs may use (default: none)", parseList)
    .option("--external-name-services", "let Services of type ExternalName be backends, whose name is then such a name")
    .option("--zone <zone>", "zone this runs in, for Services with trafficDistribution (default: $NODE_ZONE)")
    .option("--node-name <node>", "node this runs on, for the same (default: $NODE_NAME)")
    .option("--zone-from-node", "without a zone, read that of the node, with the right to get nodes")
    .option(
      "--gateway-address <namespace/name=address>",
      "IP address that this Gateway listens on when its spec names none, repeatable",
      severalNamed(parseGatewayAddress),
    )
    .option("--publish-address <addresses>", "addresses to write to Gateways (default: those bound)", parseList)
    .option("--publish-service <namespace/name>", "write the addresses of this Service to Gateways", parseObjectName)
    .option(
      "--lease <namespace/name>",
      "Lease whose holder alone writes statuses (default: tlsroute in $POD_NAMESPACE, or in default)",
      parseObjectName,
    )
    .option("--no-lease", "write statuses without a Lease: for a single replica")
    .option("--no-events", "write no Events about Gateways, ListenerSets and TLSRoutes")
    .addOption(secondsOption("--lease-duration <seconds>", "silence after which the holder is taken for dead", 15))
    .option(
      "--identity <name>",
      "name of this replica in the Lease (default: $POD_NAME or the host's name, and a suffix)",
    )
  // Gateway API's conformance tests take an end or a reset for a refusal, and no alert.
  return addServingFlags(command, "close")
    .addHelpText("after", signalsHelp("nothing: the cluster is followed as it changes"))
    .action(controller)
}

async function controller(flags: ControllerFlags): Promise<void> {
  const access = await clusterAccess(flags)
  outliveOutput()
  setLogLevel(flags.logLevel)
  const log: RunLog = flags.json ? jsonLog() : terminalLog()
  const clusterLog = flags.json ? jsonClusterLog() : terminalClusterLog()
  const ended = takeSignals(() => clusterLog.note("SIGHUP changes nothing: the cluster is followed as it changes"))
  let look = (): void => undefined
  const gateway = createGateway(flags, access, log, clusterLog, () => look())

  const configs = new ConfigFeed(gateway)
  configs.follow((told) => log.config(told))

  let serving = false
  // A Gateway whose port cannot be bound says so in its status; it takes no pod out of service for the others.
  const admin = await openAdmin(flags, gateway, () => serving, false, log, configs)
  const stopped = new AbortController()
  if (flags.createGatewayClass) void createClasses(flags, access, clusterLog, stopped.signal)

  const writer = await startStatusWriter({
    kubeConfig: access,
    controllerName: flags.controllerName,
    events: flags.events,
    ...(flags.lease === false ? {} : { lease: leaseOptions(flags) }),
    onEvent: (event) => clusterLog.event(event),
  })
  const { write, service } = await followStatuses(flags, access, gateway, writer, clusterLog)
  look = write
  gateway.on("health", (change) => recordHealth(change, gateway, writer))
  if (publishesItsOwn(flags)) {
    clusterLog.note(
      "Gateways are told the addresses of the replica that writes: with several replicas, name theirs with --publish-service or --publish-address",
    )
  }

  const started = gateway.start({ tolerateBindErrors: true, unusable: "serve" }).then(() => {
    serving = true
    beginServing(gateway, log)
  })
  // A failure to start is heard here; a start that is cut short by a signal has nothing to say.
  await Promise.race([ended, started.then(() => ended)])
  serving = false
  stopped.abort()
  service?.close()
  await writer.close()
  await drain(gateway, flags, log)
  await admin?.close()
  log.stopped()
}

function createGateway(
  flags: ControllerFlags,
  access: ClusterAccess,
  log: RunLog,
  clusterLog: ClusterLog,
  onStatusChange: () => void,
): PassthroughGateway {
  const { controllerName, gatewayClass, watchNamespaces, externalBackends, externalNameServices } = flags
  const { location, after } = locate(flags, access, (message) => clusterLog.note(message))
  const source = kubernetesSource({
    kubeConfig: access,
    controllerName,
    ...(watchNamespaces === undefined ? {} : { namespaces: watchNamespaces }),
    onEvent: (event) => clusterLog.event(event),
    onStatusChange,
  })
  const gateway = createPassthroughGateway({
    source: after(source),
    controllerName,
    gatewayClassNames: gatewayClass,
    gatewayAddresses: ({ namespace, name }) => flags.gatewayAddress?.get(`${namespace}/${name}`),
    externalBackends: externalBackends ?? [],
    externalNameServices,
    location,
    ...servingOptions(flags),
  })
  logConnections(gateway, flags, log)
  logBackends(gateway, log)
  gateway.on("error", (error) => log.error(error))
  return gateway
}

async function createClasses(
  { gatewayClass, controllerName }: ControllerFlags,
  access: ClusterAccess,
  log: ClusterLog,
  signal: AbortSignal,
): Promise<void> {
  for (const name of gatewayClass ?? [DEFAULT_CLASS]) {
    while (!signal.aborted) {
      try {
        const created = await ensureGatewayClass({ kubeConfig: access, name, controllerName })
        if (created) log.note(`created the GatewayClass ${name}`)
        break
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        log.note(`the GatewayClass ${name} cannot be created: ${message}`)
        if (error instanceof KubernetesError && error.reason === "AlreadyExists") break
        // The server may be starting, or the CRDs may not be installed yet.
        await sleep(CLASS_RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }
}

/**
 * Writes statuses after every change of configuration, of bindings, and of the addresses to publish, and when asked to
 * look at them again.
 */
async function followStatuses(
  { publishAddress, publishService }: ControllerFlags,
  access: ClusterAccess,
  gateway: PassthroughGateway,
  writer: StatusWriter,
  log: ClusterLog,
): Promise<{ readonly write: () => void; readonly service: ServiceAddresses | undefined }> {
  let service: ServiceAddresses | undefined
  const fixed = publishAddress?.map((value) => ({ type: isIP(value) === 0 ? "Hostname" : "IPAddress", value }))
  const addresses = (object: Gateway) =>
    fixed ?? (publishService === undefined ? boundAddresses(object, gateway.addresses()) : (service?.current ?? []))
  let configured = false
  const write = (): void => {
    if (configured) writer.write(() => gateway.statuses({ addresses }))
  }
  gateway.on("config", () => {
    configured = true
    write()
  })
  if (publishService !== undefined) {
    service = await watchServiceAddresses({
      kubeConfig: access,
      service: publishService,
      onChange: write,
      onEvent: (event) => log.event(event),
    })
  }
  return { write, service }
}

/** Replicas have an address each: what one of them publishes is not where the others are. */
const publishesItsOwn = ({ lease, publishAddress, publishService }: ControllerFlags): boolean =>
  lease !== false && publishAddress === undefined && publishService === undefined

/** Tells of an endpoint on the routes that lead to it. */
function recordHealth(
  { target, endpoint, healthy, reason }: EndpointHealthChange,
  gateway: PassthroughGateway,
  writer: StatusWriter,
): void {
  if (!writer.leading) return
  const where = `endpoint ${formatAddress(endpoint.address, endpoint.port)} of ${target}`
  const draft = healthy
    ? ({ type: "Normal", reason: "EndpointHealthy", note: `${where} is healthy again` } as const)
    : ({ type: "Warning", reason: "EndpointUnhealthy", note: `${where} fails its health check: ${reason}` } as const)
  const routes = gateway.routeTable.routes.filter(({ backends }) =>
    backends.some((backend) => backend.target.id === target),
  )
  for (const { ref } of routes.slice(0, MAX_ROUTES_TOLD)) writer.record(ref, { ...draft, action: "CheckHealth" })
}

function leaseOptions({ lease, identity, leaseDuration }: ControllerFlags): LeaseOptions {
  const host = process.env["POD_NAME"] ?? hostname()
  return {
    ...(typeof lease === "object" ? lease : { namespace: process.env["POD_NAMESPACE"] ?? "default", name: "tlsroute" }),
    identity: identity ?? `${host}_${Math.random().toString(36).slice(2, 10)}`,
    durationMs: leaseDuration,
    // The proportions of Kubernetes' own controllers: 2 seconds of 15.
    retryMs: leaseDuration / 7.5,
  }
}

/** Adds `NAMESPACE/NAME=ADDRESS,ADDRESS` to the addresses given so far. */
function parseGatewayAddress(
  text: string,
  before: ReadonlyMap<string, readonly string[]> = new Map(),
): ReadonlyMap<string, readonly string[]> {
  const [gateway = "", addresses = ""] = text.split("=")
  const { namespace, name } = parseObjectName(gateway)
  const key = `${namespace}/${name}`
  return new Map([...before, [key, [...(before.get(key) ?? []), ...parseList(addresses).map(parseAddress)]]])
}

function parseObjectName(text: string): ObjectName {
  const [namespace = "", name = "", ...more] = text.split("/")
  if (namespace === "" || name === "" || more.length > 0) throw new InvalidArgumentError("Expected NAMESPACE/NAME.")
  return { namespace, name }
}
