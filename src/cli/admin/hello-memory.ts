import type { ClientHello } from "../../client-hello/hello.ts"

/** ClientHellos that are kept, and their bytes. */
const MOST_HELLOS = 500
const MOST_BYTES = 2 * 1024 * 1024

/** Keeps the latest ClientHellos, for whoever asks what one of them said. A hello is not looked into until then. */
export class HelloMemory {
  readonly #hellos = new Map<string, { readonly hello: ClientHello; readonly bytes: number }>()
  #bytes = 0

  /** Keeps the ClientHello of a connection, which holds so many bytes. */
  add(uniqueId: string, hello: ClientHello, bytes: number): void {
    this.#hellos.set(uniqueId, { hello, bytes })
    this.#bytes += bytes
    for (const [id, oldest] of this.#hellos) {
      if (this.#hellos.size <= MOST_HELLOS && this.#bytes <= MOST_BYTES) return
      this.#hellos.delete(id)
      this.#bytes -= oldest.bytes
    }
  }

  /** The ClientHello of a connection, while it is kept. */
  get(uniqueId: string): ClientHello | undefined {
    return this.#hellos.get(uniqueId)?.hello
  }
}
