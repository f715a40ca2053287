import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { KubeConfig } from "@kubernetes/client-node"
import { freePort } from "../support/free-port.ts"

type Json = Record<string, unknown>

/** An object as the server stores it. */
export interface StoredObject {
  apiVersion?: string
  kind?: string
  metadata: {
    name: string
    namespace?: string
    uid?: string
    resourceVersion?: string
    generation?: number
    managedFields?: unknown
    [field: string]: unknown
  }
  spec?: unknown
  status?: Json
  [field: string]: unknown
}

interface StoredEvent {
  readonly version: number
  readonly plural: string
  readonly type: "ADDED" | "MODIFIED" | "DELETED"
  readonly object: StoredObject
}

interface OpenWatch {
  readonly plural: string
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly response: ServerResponse
  stalled: boolean
}

interface Target {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

const GATEWAY = "gateway.networking.k8s.io"
const KINDS: Readonly<Record<string, string>> = {
  gatewayclasses: "GatewayClass",
  gateways: "Gateway",
  listenersets: "ListenerSet",
  tlsroutes: "TLSRoute",
  referencegrants: "ReferenceGrant",
  namespaces: "Namespace",
  services: "Service",
  endpointslices: "EndpointSlice",
  leases: "Lease",
  nodes: "Node",
  events: "Event",
  customresourcedefinitions: "CustomResourceDefinition",
}

/**
 * The HTTP of a Kubernetes API server, in this process, as far as a controller meets it: discovery, paged lists,
 * watches with history, compaction and bookmarks, writes with optimistic locking, the status subresource; and the
 * faults that a test asks for.
 */
export class FakeApiServer {
  /** Requests so far, as `GET /path?query`. */
  readonly requests: string[] = []
  /** Bodies of the writes so far. */
  readonly writes: { readonly request: string; readonly body: Json }[] = []
  /** `group/version` to the plurals served in it. */
  readonly served = new Map<string, Set<string>>([
    ["v1", new Set(["namespaces", "services", "nodes"])],
    ["discovery.k8s.io/v1", new Set(["endpointslices"])],
    ["coordination.k8s.io/v1", new Set(["leases"])],
    ["events.k8s.io/v1", new Set(["events"])],
    [`${GATEWAY}/v1`, new Set(["gatewayclasses", "gateways", "listenersets", "tlsroutes", "referencegrants"])],
    [`${GATEWAY}/v1beta1`, new Set(["gatewayclasses", "gateways", "referencegrants"])],
  ])
  /** Consulted before every request; a number is answered as an error of that status. */
  fault: ((request: string) => number | undefined) | undefined
  /** Writes wait for it. */
  hold: Promise<void> | undefined
  /** Called before a write is carried out: a test may write first. */
  beforeWrite: ((request: string) => void) | undefined

  readonly #objects = new Map<string, StoredObject>()
  readonly #watches = new Set<OpenWatch>()
  #history: StoredEvent[] = []
  #version = 1000
  #compactedTo = 0
  #server: Server | undefined
  readonly #port: number

  private constructor(port: number) {
    this.#port = port
  }

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer(await freePort())
    await fake.listen()
    return fake
  }

  get kubeConfig(): KubeConfig {
    const config = new KubeConfig()
    config.loadFromClusterAndUser(
      { name: "fake", server: `http://127.0.0.1:${this.#port}`, skipTLSVerify: true },
      { name: "tester", token: "secret" },
    )
    return config
  }

  /** Listens; after {@link crash} on the same port, with the same objects. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response))
    server.listen(this.#port, "127.0.0.1")
    await once(server, "listening")
    this.#server = server
  }

  /** Stops listening and resets every connection. */
  async crash(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#watches.clear()
    if (server === undefined) return
    server.closeAllConnections()
    server.close()
    await once(server, "close")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash()
  }

  /** Creates or replaces objects, as another client would. */
  put(plural: string, ...objects: readonly StoredObject[]): void {
    for (const object of objects) this.#store(plural, structuredClone(object), "both")
  }

  remove(plural: string, name: string, namespace?: string): void {
    const key = keyOf(plural, namespace, name)
    const object = this.#objects.get(key)
    if (object === undefined) throw new Error(`no ${key}`)
    this.#objects.delete(key)
    const version = ++this.#version
    this.#record({
      version,
      plural,
      type: "DELETED",
      object: { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } },
    })
  }

  /** All objects of a kind. */
  all(plural: string): readonly StoredObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${plural}/`)).map(([, object]) => object)
  }

  get(plural: string, name: string, namespace?: string): StoredObject | undefined {
    return this.#objects.get(keyOf(plural, namespace, name))
  }

  /** Number of watches open on a kind, or in all. */
  watchCount(plural?: string): number {
    return [...this.#watches].filter((watch) => plural === undefined || watch.plural === plural).length
  }

  /** Forgets history: watches and pages from before answer 410. */
  compact(): void {
    this.#compactedTo = this.#version
    this.#history = []
  }

  /** Ends watches: `end` as the server does routinely, `reset` as a broken network does. */
  cutWatches(how: "end" | "reset" = "reset"): void {
    for (const { response } of this.#watches) how === "end" ? response.end() : response.destroy()
    this.#watches.clear()
  }

  /** Leaves watches open and sends nothing more on them. */
  stallWatches(): void {
    for (const watch of this.#watches) watch.stalled = true
  }

  /** Sends a bookmark on every watch. */
  bookmark(): void {
    for (const { response, plural } of this.#watches) {
      const metadata = { resourceVersion: String(this.#version) }
      response.write(`${JSON.stringify({ type: "BOOKMARK", object: { kind: KINDS[plural], metadata } })}\n`)
    }
  }

  /** Sends raw text on every watch, or on those of one kind. */
  sendRaw(text: string | Buffer, kind?: string): void {
    for (const { response, plural } of this.#watches) if (kind === undefined || plural === kind) response.write(text)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake")
    const line = `${request.method} ${url.pathname}${url.search}`
    this.requests.push(line)
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const body = text === "" ? {} : (JSON.parse(text) as Json)
    if (request.method !== "GET") this.writes.push({ request: line, body })

    if (request.method !== "GET") await this.hold
    const faulty = this.fault?.(line)
    if (faulty !== undefined) {
      sendError(response, faulty, "Fault", "asked for by the test")
      return
    }
    if (request.headers.authorization !== "Bearer secret") {
      sendError(response, 401, "Unauthorized", "who?")
      return
    }

    const groupPath = /^\/apis\/([^/]+)$/.exec(url.pathname)
    if (groupPath !== null) {
      this.#sendGroup(response, groupPath[1] ?? "")
      return
    }
    const versionPath = /^\/apis?\/((?<=apis\/)[^/]+\/[^/]+|v1)$/.exec(url.pathname)
    if (versionPath !== null) {
      this.#sendResources(response, versionPath[1] ?? "")
      return
    }
    const target = parseTarget(url.pathname)
    if (target === undefined || !this.#serves(target)) {
      sendError(response, 404, "NotFound", "no such path")
      return
    }
    if (request.method !== "GET") this.#write(response, request.method ?? "", target, body as never, line)
    else if (target.name !== undefined) this.#sendObject(response, target)
    else if (url.searchParams.get("watch") === "true") this.#watch(response, target, url.searchParams)
    else this.#list(response, target, url.searchParams)
  }

  #serves({ group, version, plural }: Target): boolean {
    return this.served.get(group === "" ? version : `${group}/${version}`)?.has(plural) ?? false
  }

  #sendGroup(response: ServerResponse, group: string): void {
    const versions = [...this.served.keys()].filter((key) => key.startsWith(`${group}/`))
    if (versions.length === 0) {
      sendError(response, 404, "NotFound", "no such group")
      return
    }
    send(response, 200, {
      kind: "APIGroup",
      name: group,
      versions: versions.map((groupVersion) => ({ groupVersion, version: groupVersion.split("/")[1] })),
    })
  }

  #sendResources(response: ServerResponse, groupVersion: string): void {
    const plurals = this.served.get(groupVersion)
    if (plurals === undefined) {
      sendError(response, 404, "NotFound", "no such version")
      return
    }
    const resources = [...plurals].map((name) => ({ name, kind: KINDS[name], namespaced: true, verbs: ["list"] }))
    send(response, 200, { kind: "APIResourceList", groupVersion, resources })
  }

  #sendObject(response: ServerResponse, target: Target): void {
    const object = this.get(target.plural, target.name ?? "", target.namespace)
    if (object === undefined) {
      sendError(response, 404, "NotFound", `${target.name} not found`)
      return
    }
    send(response, 200, inVersion(object, target))
  }

  #list(response: ServerResponse, target: Target, query: URLSearchParams): void {
    const limit = Number(query.get("limit") ?? Number.POSITIVE_INFINITY)
    const token = query.get("continue")
    const [version, offset] = token === null ? [this.#version, 0] : token.split(":").map(Number)
    if (version === undefined || offset === undefined || version < this.#compactedTo) {
      sendError(response, 410, "Expired", "the page is too old")
      return
    }
    const all = [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${target.plural}/`) && selected(object, target.namespace, query))
      .map(([, object]) => {
        // The items of a list carry neither.
        const { apiVersion: _, kind: __, ...item } = inVersion(object, target)
        return item
      })
    const more = offset + limit < all.length ? { continue: `${version}:${offset + limit}` } : {}
    send(response, 200, {
      kind: `${KINDS[target.plural]}List`,
      metadata: { resourceVersion: String(version), ...more },
      items: all.slice(offset, offset + limit),
    })
  }

  #watch(response: ServerResponse, target: Target, query: URLSearchParams): void {
    response.writeHead(200, { "content-type": "application/json" })
    response.flushHeaders()
    const from = Number(query.get("resourceVersion"))
    if (from < this.#compactedTo) {
      const object = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" }
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`)
      return
    }
    const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1]
    const watch: OpenWatch = { plural: target.plural, namespace: target.namespace, name, response, stalled: false }
    for (const event of this.#history) if (event.version > from) sendEvent(watch, event)
    this.#watches.add(watch)
    response.on("close", () => this.#watches.delete(watch))
  }

  #write(response: ServerResponse, method: string, target: Target, body: StoredObject, line: string): void {
    this.beforeWrite?.(line)
    if (method === "POST") {
      if (this.get(target.plural, body.metadata.name, target.namespace) !== undefined) {
        sendError(response, 409, "AlreadyExists", "it exists")
        return
      }
      send(response, 201, this.#store(target.plural, withNamespace(body, target), "both"))
      return
    }
    const known = this.get(target.plural, target.name ?? "", target.namespace)
    if (known === undefined) {
      sendError(response, 404, "NotFound", `${target.name} not found`)
      return
    }
    const given = body.metadata?.resourceVersion
    if (given !== undefined && given !== known.metadata.resourceVersion) {
      sendError(response, 409, "Conflict", "the object has been modified")
      return
    }
    const next = method === "PATCH" ? (mergePatch(known, body) as StoredObject) : withNamespace(body, target)
    const part = target.subresource === "status" ? "status" : "spec"
    send(response, 200, this.#store(target.plural, next, part))
  }

  #store(plural: string, given: StoredObject, part: "spec" | "status" | "both"): StoredObject {
    const key = keyOf(plural, given.metadata.namespace, given.metadata.name)
    const known = this.#objects.get(key)
    const { status: _, ...withoutStatus } = part === "status" && known !== undefined ? known : given
    const status = part === "spec" ? known?.status : given.status
    const body: StoredObject = { ...withoutStatus, ...(status === undefined ? {} : { status }) }
    const specChanged = JSON.stringify(known?.spec) !== JSON.stringify(body.spec)
    // A write that changes nothing makes no new version, as in etcd3 storage.
    if (known !== undefined && part !== "both" && !specChanged && sameButVersion(known, body)) return known
    const version = ++this.#version
    const object: StoredObject = {
      ...body,
      metadata: {
        ...body.metadata,
        uid: known?.metadata.uid ?? `uid-${version}`,
        generation: (known?.metadata.generation ?? 0) + (specChanged ? 1 : 0),
        resourceVersion: String(version),
        managedFields: [{ manager: "tester", fieldsV1: {} }],
      },
    }
    this.#objects.set(key, object)
    this.#record({ version, plural, type: known === undefined ? "ADDED" : "MODIFIED", object })
    return object
  }

  #record(event: StoredEvent): void {
    this.#history.push(event)
    for (const watch of this.#watches) sendEvent(watch, event)
  }
}

const keyOf = (plural: string, namespace: string | undefined, name: string): string =>
  `${plural}/${namespace ?? ""}/${name}`

function parseTarget(path: string): Target | undefined {
  const parts = path.split("/").slice(1)
  const root = parts.shift()
  const group = root === "apis" ? (parts.shift() ?? "") : ""
  const version = parts.shift() ?? ""
  const namespace = parts[0] === "namespaces" && parts.length > 2 ? parts.splice(0, 2)[1] : undefined
  const [plural, name, subresource] = parts
  return plural === undefined ? undefined : { group, version, plural, namespace, name, subresource }
}

function inVersion(object: StoredObject, { group, version, plural }: Target): StoredObject {
  return { ...object, apiVersion: group === "" ? version : `${group}/${version}`, kind: KINDS[plural] ?? plural }
}

function selected(object: StoredObject, namespace: string | undefined, query: URLSearchParams): boolean {
  const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1]
  if (name !== undefined && object.metadata.name !== name) return false
  return namespace === undefined || object.metadata.namespace === namespace
}

function sendEvent(watch: OpenWatch, event: StoredEvent): void {
  if (watch.stalled || event.plural !== watch.plural) return
  const { namespace, name } = event.object.metadata
  if (watch.namespace !== undefined && watch.namespace !== namespace) return
  if (watch.name !== undefined && watch.name !== name) return
  watch.response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`)
}

const withNamespace = (body: StoredObject, { namespace }: Target): StoredObject => ({
  ...body,
  metadata: { ...body.metadata, ...(namespace === undefined ? {} : { namespace }) },
})

function sameButVersion(a: StoredObject, b: StoredObject): boolean {
  const bare = (object: StoredObject): string => {
    const { resourceVersion: _, generation: __, uid: ___, managedFields: ____, ...metadata } = object.metadata
    return JSON.stringify([metadata, object.spec, object.status])
  }
  return bare(a) === bare(b)
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch
  const result: Json = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

function sendError(response: ServerResponse, code: number, reason: string, message: string): void {
  send(response, code, { kind: "Status", status: "Failure", code, reason, message })
}
