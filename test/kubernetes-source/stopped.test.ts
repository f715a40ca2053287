import { PassThrough } from "node:stream"
import { expect, test, vi } from "vitest"
import type { ApiClient } from "../../src/kubernetes/api-client.ts"
import { ClusterWatcher } from "../../src/kubernetes/cluster-watcher.ts"
import { Reflector } from "../../src/kubernetes/reflector.ts"

const backoff = { initialMs: 1, maxMs: 1 }

/** Lets every answer that is there be taken. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20))

/** A server whose answers are there at once, whatever was stopped meanwhile. */
function client(answer: (path: string) => unknown, stream: () => PassThrough = () => new PassThrough()) {
  const asked: string[] = []
  const send = async ({ path }: { readonly path: string }) => {
    asked.push(path)
    return answer(path)
  }
  return { asked, client: { send, open: async () => stream() } as unknown as ApiClient }
}

test("a watcher that is stopped while it asks what the server serves begins to watch nothing", async () => {
  const { asked, client: api } = client((path) =>
    path === "/apis/gateway.networking.k8s.io"
      ? { versions: [{ version: "v1" }] }
      : { resources: [{ name: "gateways", kind: "Gateway" }] },
  )
  const onChange = vi.fn()
  const watcher = new ClusterWatcher({
    ...{ client: api, controllerName: "tlsroute.dev/gateway", namespaces: undefined, pageSize: 500, stallMs: 1_000 },
    ...{ discoveryMs: 50, vanishMs: 50, maxNamespaceWatches: 16, backoff, onEvent: () => undefined, onChange },
    onStatusChange: () => undefined,
  })
  watcher.start()
  watcher.stop()
  await settle()
  expect(asked.filter((path) => path.endsWith("/gateways"))).toEqual([])
  expect(onChange).not.toHaveBeenCalled()
})

function reflector(api: ApiClient) {
  const listener = { changed: vi.fn(), gone: vi.fn(), event: vi.fn() }
  const kind = { group: "", kind: "Service", plural: "services" }
  return {
    listener,
    reflector: new Reflector({ client: api, kind, version: "v1", backoff, pageSize: 500, stallMs: 1_000, listener }),
  }
}

const list = { metadata: { resourceVersion: "1" }, items: [{ metadata: { name: "web", namespace: "shop" } }] }

test("a reflector that is stopped while it lists takes nothing in and tells nobody", async () => {
  const { client: api } = client(() => list)
  const { listener, reflector: stopped } = reflector(api)
  stopped.start()
  stopped.stop()
  await settle()
  expect(stopped.values).toEqual([])
  for (const told of Object.values(listener)) expect(told).not.toHaveBeenCalled()
})

test("a reflector that is stopped while it opens a watch closes what it gets", async () => {
  const stream = new PassThrough()
  const { client: api } = client(
    () => list,
    () => {
      stopped.stop()
      return stream
    },
  )
  const { reflector: stopped } = reflector(api)
  stopped.start()
  await settle()
  expect(stream.destroyed).toBe(true)
})

test("a reflector that is stopped takes no event in that came before", async () => {
  const stream = new PassThrough()
  const { client: api } = client(
    () => list,
    () => stream,
  )
  const { listener, reflector: stopped } = reflector(api)
  stopped.start()
  await settle()
  listener.changed.mockClear()
  const object = { metadata: { name: "new", namespace: "shop", resourceVersion: "2" } }
  stream.write(`${JSON.stringify({ type: "ADDED", object })}\n`)
  stopped.stop()
  await settle()
  expect(stopped.values).toHaveLength(1)
  expect(listener.changed).not.toHaveBeenCalled()
  expect(stream.destroyed).toBe(true)
})
