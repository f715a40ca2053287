import { once } from "node:events"
import type { AddressInfo, Server } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connect, createSecureContext, createServer, type TLSSocket } from "node:tls"
import { certificateAuthority } from "../../support/certificate.ts"
import type { TestCluster } from "./cluster.ts"

const authority = certificateAuthority()

// Made once: that costs more than a handshake.
const secureContext = createSecureContext({ ca: authority.cert })

// Above 1023, so that no right is needed to bind it.
const SERVICE_PORT = 8443

/** A TLS server that says its name, then echoes. */
export async function startBackend(name: string, hostnames: readonly string[], host: string, port = 0) {
  const server = createServer(authority.issue(hostnames), (socket) => {
    socket.on("error", () => undefined)
    socket.write(`${name}\n`)
    socket.pipe(socket)
  })
  server.listen(port, host)
  await once(server, "listening")
  return { server, port: (server.address() as AddressInfo).port }
}

/**
 * A Service `name:8443` and what answers there. The test cluster's Services have addresses on loopback, so that
 * without any pods a process of this machine can be what is behind one.
 */
export async function startService(
  cluster: TestCluster,
  namespace: string,
  name: string,
  hostnames: readonly string[],
): Promise<Server> {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { ports: [{ name: "tls", port: SERVICE_PORT }] },
  }
  await cluster.apply([service])
  const { spec } = await cluster.get<{ spec: { clusterIP: string } }>("service", name, "--namespace", namespace)
  const { server } = await startBackend(name, hostnames, spec.clusterIP, SERVICE_PORT)
  return server
}

/** A Gateway with one listener `tls` on port 443. */
export const gatewayObject = (namespace: string, name: string, gatewayClassName = "tlsroute") => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { namespace, name },
  spec: {
    gatewayClassName,
    listeners: [
      {
        name: "tls",
        port: 443,
        protocol: "TLS",
        tls: { mode: "Passthrough" },
        allowedRoutes: { namespaces: { from: "All" } },
      },
    ],
  },
})

/** A route of one hostname to a Service, on a Gateway of the same namespace. */
export const routeObject = (
  namespace: string,
  name: string,
  hostnames: readonly string[],
  backend: { readonly name: string; readonly namespace?: string },
  parents: readonly string[] = ["gateway"],
) => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "TLSRoute",
  metadata: { namespace, name },
  spec: {
    parentRefs: parents.map((parent) => ({ name: parent })),
    hostnames,
    rules: [{ backendRefs: [{ port: SERVICE_PORT, ...backend }] }],
  },
})

/** Opens a TLS connection; gives the name that the backend said, or throws what the gateway did. */
export async function open(port: number, servername: string): Promise<{ readonly socket: TLSSocket; name: string }> {
  const socket = connect({ host: "127.0.0.1", port, servername, secureContext })
  const [greeting] = (await Promise.race([
    once(socket, "data"),
    once(socket, "close").then(() => {
      throw new Error(`the connection for ${servername} was closed`)
    }),
  ])) as [Buffer]
  socket.on("error", () => undefined)
  return { socket, name: greeting.toString().trim() }
}

/** The name of the backend that a new connection reaches. */
export async function reach(port: number, servername: string): Promise<string> {
  const { socket, name } = await open(port, servername)
  socket.destroy()
  return name
}

/** Tries until a new connection reaches a backend; gives its name. */
export async function reached(port: number, servername: string): Promise<string> {
  for (;;) {
    try {
      return await reach(port, servername)
    } catch {
      await sleep(5)
    }
  }
}

/** Tries until a new connection is refused. */
export async function refused(port: number, servername: string): Promise<void> {
  while (
    await reach(port, servername).then(
      () => true,
      () => false,
    )
  )
    await sleep(5)
}

/** Clients that connect one after another, and one connection that lives all along and counts its echo. */
export class Traffic {
  /** Connections that got their greeting. */
  connections = 0
  /** Those that did not. */
  readonly failures: unknown[] = []
  readonly #loops: readonly Promise<void>[]
  #stopped = false

  private constructor(port: number, servername: string, live: TLSSocket) {
    this.#loops = [this.#connect(port, servername), this.#connect(port, servername), this.#echo(live)]
  }

  static async start(port: number, servername: string): Promise<Traffic> {
    const { socket } = await open(port, servername)
    return new Traffic(port, servername, socket)
  }

  /** Ends the clients, once at least one more connection has been made. */
  async stop(): Promise<void> {
    const before = this.connections
    while (this.connections === before && this.failures.length === 0) await sleep(5)
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #connect(port: number, servername: string): Promise<void> {
    while (!this.#stopped) {
      try {
        await reach(port, servername)
        this.connections++
      } catch (error) {
        this.failures.push(error)
      }
      await sleep(5)
    }
  }

  async #echo(live: TLSSocket): Promise<void> {
    const closed = once(live, "close")
    for (let number = 0; !this.#stopped; number++) {
      const line = `line ${number}\n`
      live.write(line)
      const [answer] = (await Promise.race([once(live, "data"), closed])) as [Buffer | boolean]
      if (!Buffer.isBuffer(answer) || answer.toString() !== line) {
        this.failures.push(new Error(`the live connection gave ${String(answer)} for line ${number}`))
        return
      }
      await sleep(10)
    }
    live.destroy()
  }
}
