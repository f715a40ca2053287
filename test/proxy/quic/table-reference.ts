import { deepStrictEqual } from "node:assert/strict"
import { type FlowEntry, FlowTable } from "../../../src/proxy/quic/flow-table.ts"
import { Choices } from "../../fuzz/choices.ts"

/** A flow as a plain list of what is known of it. */
interface Plain {
  readonly name: number
  readonly entry: FlowEntry<number>
  readonly firstClient: string
  readonly original: string
  readonly source: string
  /** Addresses, with the step at which it came to each. */
  readonly clients: Map<string, number>
  serverIds: string[]
  clientIds: string[]
  idLength: number | undefined
}

/**
 * Plays steps against a table and against a plain list of flows, and holds the answers of one against the other's.
 *
 * @returns steps played
 */
export function playTable(bytes: Uint8Array): number {
  const choices = new Choices(bytes)
  const table = new FlowTable<number>()
  let flows: Plain[] = []
  /** Ids that two flows have had at once, until none has. */
  const shared = new Set<string>()
  let played = 0
  const client = () => `client-${choices.below(4)}`
  // Few ids of few lengths: so that they meet, and begin alike.
  const id = () => "abcdefghijklm".slice(choices.below(4)).slice(0, choices.pick([0, 2, 4, 5, 8]))
  const alive = () => flows[choices.below(Math.max(1, flows.length))]
  while (!choices.isOver) {
    played++
    noteShared(flows, shared)
    const step = choices.below(8)
    const flow = alive()
    if (step === 0) {
      const [at, original, source] = [client(), `o${choices.byte()}`, id()]
      if (flows.some((each) => each.firstClient === at && each.original === original)) continue
      const entry = table.add(played, at, original, source)
      flows.push({
        name: played,
        entry,
        firstClient: at,
        original,
        source,
        clients: new Map([[at, played]]),
        serverIds: [],
        clientIds: [],
        idLength: undefined,
      })
    } else if (step === 1 && flow !== undefined) {
      table.remove(flow.entry)
      flows = flows.filter((each) => each !== flow)
    } else if (step === 2 && flow !== undefined) {
      const told = id()
      table.told(flow.entry, told)
      flow.idLength = told.length
      if (told === "" || flow.serverIds.includes(told) || flow.clientIds.includes(told)) continue
      flow.serverIds = [...flow.serverIds, told].slice(-8)
    } else if (step === 3 && flow !== undefined) {
      const at = client()
      table.join(flow.entry, at)
      if (!flow.clients.has(at)) flow.clients.set(at, played)
    } else if (step === 4 && flow !== undefined) {
      const at = client()
      table.leave(flow.entry, at)
      flow.clients.delete(at)
    } else if (step === 5) {
      const [at, destination, source, begins] = [client(), id(), id(), choices.below(2) === 0]
      const found = table.findLong(at, destination, source, begins).map((entry) => entry.flow)
      deepStrictEqual(found, findLong(flows, shared, at, destination, source, begins))
    } else if (step === 6) {
      const [at, destination] = [client(), `o${choices.byte()}`]
      const found = table.findLong(at, destination, "none", true).map((entry) => entry.flow)
      deepStrictEqual(found, findLong(flows, shared, at, destination, "none", true))
    } else {
      const [at, datagram] = [client(), `@${id()}`]
      const found = table.findShort(at, Buffer.from(datagram, "latin1")).map((entry) => entry.flow)
      const right = findShort(flows, shared, at, datagram.slice(1))
      deepStrictEqual(right.find((each) => each.join() === found.join()) ?? right[0], found)
    }
  }
  deepStrictEqual(table.size, flows.length)
  return played
}

const knows = (flow: Plain, id: string) => flow.serverIds.includes(id) || flow.clientIds.includes(id)

/** The one flow that has an id, wherever its client is. */
function owner(flows: readonly Plain[], shared: ReadonlySet<string>, id: string): Plain | undefined {
  return id.length < 4 || shared.has(id) ? undefined : flows.find((flow) => knows(flow, id))
}

function noteShared(flows: readonly Plain[], shared: Set<string>): void {
  const ids = flows.flatMap(({ serverIds, clientIds }) => [...serverIds, ...clientIds])
  for (const id of shared) if (!ids.includes(id)) shared.delete(id)
  for (const [at, id] of ids.entries()) if (ids.indexOf(id) !== at) shared.add(id)
}

function findLong(
  flows: readonly Plain[],
  shared: ReadonlySet<string>,
  client: string,
  destination: string,
  source: string,
  begins: boolean,
): readonly number[] {
  const here = flows.filter((flow) => flow.clients.has(client))
  if (destination !== "") {
    const known = inOrder(here, client).find((flow) => knows(flow, destination))
    const original = flows.find((flow) => flow.firstClient === client && flow.original === destination)
    const found = known ?? original ?? owner(flows, shared, destination)
    if (found !== undefined) return [found.name]
    if (begins) return []
  }
  return guess(
    inOrder(here, client).filter((flow) => flow.source === source),
    () => destination,
  )
}

/** Right answers: ids of different lengths may fit by chance, and then any of them is. */
function findShort(
  flows: readonly Plain[],
  shared: ReadonlySet<string>,
  client: string,
  rest: string,
): readonly (readonly number[])[] {
  const here = inOrder(
    flows.filter((flow) => flow.clients.has(client)),
    client,
  )
  if (here.length === 1 && here[0]?.idLength === 0) return [[here[0].name]]
  const cut = (length: number) => (rest.length < length ? "" : rest.slice(0, length))
  const known = here.find(
    (flow) => (flow.idLength ?? 0) > 0 && cut(flow.idLength ?? 0) !== "" && knows(flow, cut(flow.idLength ?? 0)),
  )
  if (known !== undefined) return [[known.name]]
  const owners = [4, 5, 8].map((length) => owner(flows, shared, cut(length))).filter((flow) => flow !== undefined)
  if (owners.length > 0) return owners.map(({ name }) => [name])
  return [guess(here, cut)]
}

function guess(here: readonly Plain[], id: (length: number) => string): readonly number[] {
  const possible = here.filter(({ idLength }) => idLength !== undefined)
  const [only] = possible
  if (possible.length === 1 && only?.idLength !== undefined) {
    const used = id(only.idLength)
    if (used !== "") only.clientIds = [...only.clientIds, used].slice(-4)
  }
  return possible.map(({ name }) => name)
}

/** In the order in which they came to the address. */
function inOrder(flows: readonly Plain[], client: string): readonly Plain[] {
  return [...flows].sort((a, b) => (a.clients.get(client) ?? 0) - (b.clients.get(client) ?? 0))
}
