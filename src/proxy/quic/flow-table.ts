/** Server ids kept for one flow: those of its handshake. A server that answers with more of them is none that we know. */
const MOST_SERVER_IDS = 8
/** Ids that clients use, and that nobody has seen before, kept for one flow: a client uses one after the other. */
const MOST_CLIENT_IDS = 4
/** Shorter ids are too common to follow a client by whose address has changed. */
const MIN_FOLLOWED_ID = 4

const NONE: readonly never[] = []

/** What a table keeps of one flow. Made by {@link FlowTable.add}, and handed back to it. */
export class FlowEntry<Flow> {
  /** Whose it is. */
  readonly flow: Flow
  /** This entry alone, as a result. */
  readonly alone: readonly [FlowEntry<Flow>] = [this]
  /** @internal Addresses that its client is reached at. */
  readonly clients: string[] = []
  /** @internal Destination Connection ID of the client's first packet, with the client's address. */
  readonly original: string
  /** @internal Source Connection ID of its client, by which the client is called during the handshake. */
  readonly source: string
  /** @internal Ids that its server has told. */
  readonly serverIds: string[] = []
  /** @internal Ids that its client uses, though the server told them in secret. */
  readonly clientIds: string[] = []
  /** @internal The id last seen: mostly the next one too. */
  current: string | undefined
  /** @internal Bytes of its server's ids; `undefined` until there is an answer. */
  idLength: number | undefined

  constructor(flow: Flow, original: string, source: string) {
    this.flow = flow
    this.original = original
    this.source = source
  }

  /** Whether the server, or the client, has used the id before. */
  knows(id: string): boolean {
    return this.serverIds.includes(id) || this.clientIds.includes(id)
  }

  /** Whether the server has told the id: who uses it has heard from the server. */
  isServerId(id: string): boolean {
    return this.serverIds.includes(id)
  }
}

/** Who has an id. Two flows may have the same by chance; then it tells nothing. */
interface Owners<Flow> {
  entry: FlowEntry<Flow> | undefined
  count: number
}

/**
 * Finds the flow that a client's datagram belongs to (RFC 9000 section 5.2): by connection ids, which stay when the
 * client's address changes, and by that address, which stays when ids change. Ids are told in the long headers of the
 * server, and used in the short headers of the client; those that a server tells in encrypted frames are learnt when the
 * client first uses them from an address that is known.
 *
 * It knows nothing of sockets. Ids and addresses are strings, ids one character a byte: see {@link idOf}.
 */
export class FlowTable<Flow> {
  readonly #originals = new Map<string, FlowEntry<Flow>>()
  readonly #owners = new Map<string, Owners<Flow>>()
  // Lists are replaced, never changed: they are handed out as results.
  readonly #clients = new Map<string, readonly FlowEntry<Flow>[]>()
  /** How many ids there are of each length, as a short header does not tell where its id ends. */
  readonly #lengths = new Map<number, number>()

  /** Flows in the table. */
  get size(): number {
    return this.#originals.size
  }

  /**
   * Adds a flow that its client has begun.
   *
   * @param flow - whose entry is made
   * @param client - the client's address and port
   * @param original - Destination Connection ID of its first packet
   * @param source - Source Connection ID of its first packet, which the client keeps
   */
  add(flow: Flow, client: string, original: string, source: string): FlowEntry<Flow> {
    const entry = new FlowEntry(flow, originalKey(client, original), source)
    this.#originals.set(entry.original, entry)
    this.join(entry, client)
    return entry
  }

  /** The client of a flow is reached at another address too. */
  join(entry: FlowEntry<Flow>, client: string): void {
    if (entry.clients.includes(client)) return
    entry.clients.push(client)
    this.#clients.set(client, [...(this.#clients.get(client) ?? NONE), entry])
  }

  /** The client of a flow is not reached at an address any more. */
  leave(entry: FlowEntry<Flow>, client: string): void {
    const at = entry.clients.indexOf(client)
    if (at === -1) return
    entry.clients.splice(at, 1)
    const others = (this.#clients.get(client) ?? NONE).filter((each) => each !== entry)
    if (others.length === 0) this.#clients.delete(client)
    else this.#clients.set(client, others)
  }

  /** Takes a flow out, with all that is known of it. */
  remove(entry: FlowEntry<Flow>): void {
    if (this.#originals.get(entry.original) === entry) this.#originals.delete(entry.original)
    for (const client of [...entry.clients]) this.leave(entry, client)
    for (const id of [...entry.serverIds, ...entry.clientIds]) this.#disown(id)
    entry.serverIds.length = 0
    entry.clientIds.length = 0
    entry.current = undefined
  }

  /** The server of a flow has told an id, which may be empty: then only its client's address tells the flow. */
  told(entry: FlowEntry<Flow>, id: string): void {
    entry.idLength = id.length
    if (id.length === 0 || entry.knows(id)) return
    entry.serverIds.push(id)
    this.#own(entry, id)
    if (entry.serverIds.length > MOST_SERVER_IDS) this.#forget(entry, entry.serverIds.shift() ?? "")
  }

  /**
   * Flows that a packet with a long header may belong to.
   *
   * @param client - address and port that it came from
   * @param destination - its Destination Connection ID
   * @param source - its Source Connection ID
   * @param begins - whether it is one that may begin a flow, an Initial: then an id that nobody knows is a new flow's
   */
  findLong(client: string, destination: string, source: string, begins: boolean): readonly FlowEntry<Flow>[] {
    const here = this.#clients.get(client) ?? NONE
    if (destination.length > 0) {
      const known = here.find((entry) => entry.knows(destination))
      if (known !== undefined) return known.alone
      const owner = this.#originals.get(originalKey(client, destination)) ?? this.#owner(destination)
      if (owner !== undefined) return owner.alone
      if (begins) return NONE
    }
    // A server may tell of further ids before its handshake is over, and its client use them at once.
    return this.#guess(
      here,
      () => destination,
      (entry) => entry.source === source,
    )
  }

  /**
   * Flows that a packet with a short header may belong to. Several, when a client has more than one from the same
   * address and uses an id that nobody has seen.
   *
   * @param client - address and port that it came from
   * @param datagram - begins with the packet
   */
  findShort(client: string, datagram: Buffer): readonly FlowEntry<Flow>[] {
    const here = this.#clients.get(client)
    if (here !== undefined) {
      const [first] = here
      if (here.length === 1 && first !== undefined && (first.idLength === 0 || isFor(datagram, first))) {
        return here
      }
      for (const entry of here) {
        const id = entry.idLength === undefined ? "" : shortId(datagram, entry.idLength)
        if (id === "" || !entry.knows(id)) continue
        entry.current = id
        return entry.alone
      }
    }
    for (const length of this.#lengths.keys()) {
      const owner = this.#owner(shortId(datagram, length))
      if (owner !== undefined) return owner.alone
    }
    if (here === undefined) return NONE
    return this.#guess(here, (length) => shortId(datagram, length))
  }

  /**
   * An id that was told in secret: it belongs to a flow from this address, if to any. Where there is only one, it is that
   * flow's from now on.
   */
  #guess(
    here: readonly FlowEntry<Flow>[],
    id: (length: number) => string,
    isPossible: (entry: FlowEntry<Flow>) => boolean = () => true,
  ): readonly FlowEntry<Flow>[] {
    const possible = here.filter((entry) => entry.idLength !== undefined && isPossible(entry))
    const [only] = possible
    if (possible.length === 1 && only?.idLength !== undefined) this.#used(only, id(only.idLength))
    return possible
  }

  #used(entry: FlowEntry<Flow>, id: string): void {
    if (id === "") return
    entry.clientIds.push(id)
    entry.current = id
    this.#own(entry, id)
    if (entry.clientIds.length > MOST_CLIENT_IDS) this.#forget(entry, entry.clientIds.shift() ?? "")
  }

  #forget(entry: FlowEntry<Flow>, id: string): void {
    if (entry.current === id) entry.current = undefined
    this.#disown(id)
  }

  #own(entry: FlowEntry<Flow>, id: string): void {
    if (id.length < MIN_FOLLOWED_ID) return
    const owners = this.#owners.get(id)
    if (owners === undefined) {
      this.#owners.set(id, { entry, count: 1 })
      this.#lengths.set(id.length, (this.#lengths.get(id.length) ?? 0) + 1)
      return
    }
    owners.count++
    owners.entry = undefined
  }

  #disown(id: string): void {
    const owners = this.#owners.get(id)
    if (owners === undefined || --owners.count > 0) return
    this.#owners.delete(id)
    const left = (this.#lengths.get(id.length) ?? 1) - 1
    if (left === 0) this.#lengths.delete(id.length)
    else this.#lengths.set(id.length, left)
  }

  #owner(id: string): FlowEntry<Flow> | undefined {
    return this.#owners.get(id)?.entry
  }
}

/** A connection id as a string, one character a byte. */
export function idOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
}

/** The id of a short header, if it has that many bytes; empty when the datagram is too short for it. */
function shortId(datagram: Buffer, length: number): string {
  return datagram.length < 1 + length ? "" : datagram.toString("latin1", 1, 1 + length)
}

function isFor<Flow>(datagram: Buffer, { current: id, idLength }: FlowEntry<Flow>): boolean {
  if (id === undefined || id.length !== idLength || datagram.length < 1 + id.length) return false
  for (let at = 0; at < id.length; at++) if (datagram[1 + at] !== id.charCodeAt(at)) return false
  return true
}

function originalKey(client: string, original: string): string {
  return `${client} ${original}`
}
