import type { ClientHello } from "../../client-hello/hello.ts"

/** ClientHellos that are kept, and their bytes. */
const MOST_HELLOS = 500
const MOST_BYTES = 2 * 1024 * 1024

interface Kept {
  readonly id: number
  readonly hello: ClientHello
  readonly bytes: number
}

/**
 * Keeps the ClientHellos of those of the latest connections that are live, for whoever asks what one of them said. A
 * hello is not looked into until then.
 *
 * There is one for every connection, and hardly anybody asks: each has its place by its connection's number, and is let
 * go with it.
 */
export class HelloMemory {
  readonly #places: (Kept | undefined)[] = Array.from({ length: MOST_HELLOS }, () => undefined)
  #bytes = 0

  /**
   * Keeps a ClientHello.
   *
   * @param id - number of its connection, which counts up
   * @param hello - what it was read to
   * @param bytes - that it holds
   */
  add(id: number, hello: ClientHello, bytes: number): void {
    const place = id % MOST_HELLOS
    this.#clear(place)
    this.#places[place] = { id, hello, bytes }
    this.#bytes += bytes
    // The place after the newest is that of the oldest.
    for (let next = place + 1; this.#bytes > MOST_BYTES; next++) this.#clear(next % MOST_HELLOS)
  }

  /** The ClientHello of a connection, while it is kept. */
  get(id: number): ClientHello | undefined {
    const kept = this.#places[id % MOST_HELLOS]
    return kept?.id === id ? kept.hello : undefined
  }

  /** Lets the ClientHello of a connection go. */
  forget(id: number): void {
    const place = id % MOST_HELLOS
    if (this.#places[place]?.id === id) this.#clear(place)
  }

  #clear(place: number): void {
    this.#bytes -= this.#places[place]?.bytes ?? 0
    this.#places[place] = undefined
  }
}
