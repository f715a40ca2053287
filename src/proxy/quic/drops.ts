/** Why a datagram went nowhere. */
export type DropReason =
  /** It is no QUIC, is cut, or its packets are for different connection ids. */
  | "malformed"
  /** It belongs to no flow: its connection is over, or has gone to an address and an id at once that nobody knows. */
  | "unknown-flow"
  /** It could begin a flow but for its size, its connection id, or keys that do not open it. */
  | "not-initial"
  /** More packets would have to be decrypted than may be. */
  | "decrypt-budget"
  /** The listener is closing, or does not take QUIC any more. */
  | "closing"
  /** It would have the connection begin again in another way. */
  | "disagrees"
  /** More datagrams came than are kept while a backend is sought. */
  | "queue-full"
  /** A client that has proven nothing would be sent more than three times what came from its address. */
  | "amplification"
  /** The client's new address is not allowed. */
  | "denied"
  /** The kernel takes no more. */
  | "send-queue"

/** Datagrams dropped, by reason; reasons without any are left out. */
export type DropCounts = Readonly<Partial<Record<DropReason, number>>>

/** Counts dropped datagrams, to be told of now and then: one at a time they would be as many as a flood has. */
export class Drops {
  readonly #began: () => void
  #counts: Partial<Record<DropReason, number>> | undefined

  /** @param began - is told of the first one since they were last {@link take}n */
  constructor(began: () => void) {
    this.#began = began
  }

  /** Counts one. */
  count(reason: DropReason): void {
    if (this.#counts === undefined) {
      this.#counts = {}
      this.#began()
    }
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1
  }

  /** The counts, which begin anew. */
  take(): DropCounts {
    const counts = this.#counts ?? {}
    this.#counts = undefined
    return counts
  }
}
