import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from "node:http"
import type { RequestOptions } from "node:https"
import type { ClusterAccess } from "./cluster-access.ts"
import { KubernetesError } from "./errors.ts"
import { http } from "./node-http.ts"

/** One request to the API server. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Path below the server's URL, for example `/api/v1/namespaces`. */
  readonly path: string
  /** Query parameters; those that are `undefined` are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>
  /** Media type to ask for. Default: JSON of the whole object. */
  readonly accept?: string
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** Longest silence before the request is given up, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number
}

/** `metav1.Status`: how the API server tells errors. */
export interface ApiStatus {
  readonly kind?: "Status"
  readonly code?: number
  readonly reason?: string
  readonly message?: string
}

const DEFAULT_TIMEOUT_MS = 30_000
// A peer that vanished without a word (node lost, NAT entry dropped) is found by the kernel's probes.
const KEEP_ALIVE_PROBE_MS = 15_000
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

/**
 * JSON over HTTP/1.1 to one API server: credentials and TLS come from {@link ClusterAccess}, connections are
 * kept between requests as long as the credentials stay the same.
 */
export class ApiClient {
  readonly #access: ClusterAccess
  #agent: { readonly key: string; readonly agent: HttpAgent } | undefined

  constructor(access: ClusterAccess) {
    this.#access = access
  }

  /** The API server's URL, for messages. */
  get server(): string {
    return this.#access.getCurrentCluster()?.server ?? "(no cluster)"
  }

  /** Sends a request and reads the whole answer. Rejects with {@link KubernetesError} for any status from 400 on. */
  async send<T>(request: ApiRequest): Promise<T> {
    const response = await this.open(request)
    const text = await readText(response)
    return parseJson<T>(text, request)
  }

  /** Sends a request and gives the answer's stream once its status is below 400. */
  async open(request: ApiRequest): Promise<IncomingMessage> {
    const response = await this.#exchange(request)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    throw apiError(request, response, await readText(response).catch(() => ""))
  }

  /** Closes kept connections. Requests under way are left to their signals. */
  close(): void {
    this.#agent?.agent.destroy()
    this.#agent = undefined
  }

  async #exchange(request: ApiRequest): Promise<IncomingMessage> {
    const { url, options } = await this.#prepare(request)
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    return new Promise((resolve, reject) => {
      const unreachable = (cause: unknown): void => {
        reject(
          new KubernetesError("ERR_TLSROUTE_KUBERNETES_UNREACHABLE", `${request.method} ${url.pathname} failed`, {
            cause,
          }),
        )
      }
      let sent: ClientRequest
      try {
        sent = url.protocol === "http:" ? http.request(url, options) : https().request(url, options)
      } catch (cause) {
        unreachable(cause)
        return
      }
      sent.setTimeout(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => {
        sent.destroy(new Error(`no answer for ${request.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`))
      })
      sent.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS))
      sent.once("response", resolve)
      // Not once: a socket may fail again after the answer began; the stream's reader hears of that one.
      sent.on("error", unreachable)
      sent.end(body)
    })
  }

  async #prepare(request: ApiRequest): Promise<{ url: URL; options: RequestOptions }> {
    const server = this.#access.getCurrentCluster()?.server
    if (server === undefined) {
      throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_CONFIG", "no cluster: the kubeconfig has no current context")
    }
    const base = new URL(server)
    const url = new URL(base.pathname.replace(/\/$/, "") + request.path, base)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const options: RequestOptions = { method: request.method, headers: {} }
    try {
      await this.#access.applyToHTTPSOptions(options)
    } catch (cause) {
      throw new KubernetesError("ERR_TLSROUTE_KUBERNETES_CONFIG", `cannot get credentials for ${base.origin}`, {
        cause,
      })
    }
    options.headers = {
      ...(options.headers as Readonly<Record<string, string>>),
      accept: request.accept ?? "application/json",
      "user-agent": "tlsroute",
      ...(request.body === undefined ? {} : { "content-type": contentType(request.method) }),
    }
    options.agent = this.#keptAgent(url, options)
    if (request.signal !== undefined) options.signal = request.signal
    return { url, options }
  }

  /** The credentials' owner makes an agent per request; one is kept while what went into it is the same. */
  #keptAgent(url: URL, options: RequestOptions): HttpAgent {
    const key = agentKey(url, options)
    if (this.#agent?.key === key) return this.#agent.agent
    const agent = reusableAgent(url, options)
    // The old agent's connections end with their requests: watches go on until the server closes them.
    this.#agent = { key, agent }
    return agent
  }
}

function agentKey(url: URL, options: RequestOptions): string {
  const parts = [options.ca, options.cert, options.key, options.pfx, options.passphrase].map((part) =>
    String(part ?? ""),
  )
  return [url.origin, String(options.servername ?? ""), String(options.rejectUnauthorized ?? ""), ...parts].join("\n")
}

function reusableAgent(url: URL, options: RequestOptions): HttpAgent {
  const made = options.agent
  // A subclass knows a proxy: it stays as it is.
  const special = made instanceof http.Agent && made.constructor !== https().Agent && made.constructor !== http.Agent
  if (special) return made
  if (url.protocol === "http:") return new http.Agent({ keepAlive: true })
  const given = made instanceof https().Agent ? made.options : {}
  return new (https().Agent)({ ...given, keepAlive: true })
}

/** Loaded, and TLS with it, by those only who reach a cluster: the command's other sources have no use for it. */
const https = () => process.getBuiltinModule("node:https")

const contentType = (method: ApiRequest["method"]): string =>
  method === "PATCH" ? "application/merge-patch+json" : "application/json"

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_ANSWER_BYTES) throw new Error(`answer over ${MAX_ANSWER_BYTES} bytes`)
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new KubernetesError(
      "ERR_TLSROUTE_KUBERNETES_UNREACHABLE",
      "the connection broke in the middle of an answer",
      {
        cause,
      },
    )
  }
  return Buffer.concat(chunks).toString("utf8")
}

function parseJson<T>(text: string, request: ApiRequest): T {
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new KubernetesError(
      "ERR_TLSROUTE_KUBERNETES_PROTOCOL",
      `${request.method} ${request.path} did not answer JSON: check that the server URL is an API server`,
      { cause },
    )
  }
}

function apiError(request: ApiRequest, response: IncomingMessage, text: string): KubernetesError {
  let answer: ApiStatus = {}
  try {
    answer = JSON.parse(text) as ApiStatus
  } catch {
    // Proxies and overloaded servers answer in plain text: the status code says enough.
  }
  const status = response.statusCode ?? 0
  const seconds = Number(response.headers["retry-after"])
  return new KubernetesError(
    "ERR_TLSROUTE_KUBERNETES_API",
    `${request.method} ${request.path} answered ${status}: ${answer.message ?? (text.slice(0, 200) || "no message")}`,
    {
      status,
      ...(answer.reason === undefined ? {} : { reason: answer.reason }),
      ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
    },
  )
}
