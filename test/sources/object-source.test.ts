import { describe, expect, test } from "vitest"
import type { GatewayResources } from "../../src/routing/resources.ts"
import { fileSource } from "../../src/sources/file-source.ts"
import { objectSource } from "../../src/sources/object-source.ts"

const snapshot = (name: string): GatewayResources => ({
  services: [{ apiVersion: "v1", kind: "Service", metadata: { name } }],
})

describe("objectSource", () => {
  test("yields the first snapshot, then each one set", async () => {
    const source = objectSource(snapshot("a"))
    const iterator = source(new AbortController().signal)[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toEqual(snapshot("a"))
    const next = iterator.next()
    source.set(snapshot("b"))
    expect((await next).value).toEqual(snapshot("b"))
  })

  test.each([
    ["objects", objectSource(snapshot("a"))],
    ["files", fileSource("gateway.yaml")],
  ])("followed by hand without a signal, a source of %s says what it must be given", async (_, source) => {
    const iterator = (source as unknown as () => AsyncIterable<unknown>)()[Symbol.asyncIterator]()
    await expect(iterator.next()).rejects.toMatchObject({
      code: "ERR_TLSROUTE_SOURCE_OPTION",
      message: "the source: it must be given an AbortSignal, not undefined",
    })
  })

  test("waits for the first snapshot when there is none", async () => {
    const source = objectSource()
    const next = source(new AbortController().signal)[Symbol.asyncIterator]().next()
    source.set(snapshot("a"))
    expect((await next).value).toEqual(snapshot("a"))
  })

  test("skips snapshots that were replaced before they were asked for", async () => {
    const source = objectSource(snapshot("a"))
    const iterator = source(new AbortController().signal)[Symbol.asyncIterator]()
    await iterator.next()
    source.set(snapshot("b"))
    source.set(snapshot("c"))
    expect((await iterator.next()).value).toEqual(snapshot("c"))
  })

  test("gives every follower the snapshots, also one that comes late", async () => {
    const source = objectSource(snapshot("a"))
    const { signal } = new AbortController()
    const first = source(signal)[Symbol.asyncIterator]()
    await first.next()
    source.set(snapshot("b"))
    const late = source(signal)[Symbol.asyncIterator]()
    expect((await late.next()).value).toEqual(snapshot("b"))
    expect((await first.next()).value).toEqual(snapshot("b"))
  })

  test("ends when the signal aborts, and others go on", async () => {
    const source = objectSource(snapshot("a"))
    const ending = new AbortController()
    const ended = source(ending.signal)[Symbol.asyncIterator]()
    const staying = source(new AbortController().signal)[Symbol.asyncIterator]()
    await Promise.all([ended.next(), staying.next()])
    const end = ended.next()
    const next = staying.next()
    ending.abort()
    expect((await end).done).toBe(true)
    source.set(snapshot("b"))
    expect((await next).value).toEqual(snapshot("b"))
  })
})
