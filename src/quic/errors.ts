/** Stable codes of {@link QuicError}. */
export type QuicErrorCode =
  /** A frame overruns its packet, or has a type that is none (RFC 9000 section 12.4). */
  | "FRAME"
  /** A frame that an Initial packet must not hold (RFC 9000 section 17.2.2). */
  | "FRAME_NOT_ALLOWED"
  /** A packet without a frame (RFC 9000 section 12.4). */
  | "NO_FRAMES"
  /** Reserved bits of the header are not 0 (RFC 9000 section 17.2). */
  | "RESERVED_BITS"
  /** The same place of the CRYPTO stream was sent with different bytes (RFC 9000 section 2.2). */
  | "CRYPTO_DISAGREES"
  /** The CRYPTO stream came in more pieces out of order than are kept. */
  | "CRYPTO_PIECES"
  /** More packets than a ClientHello can need. */
  | "TOO_MANY_PACKETS"

/** Why authentic Initial packets do not lead to a ClientHello to route by. */
export class QuicError extends Error {
  override readonly name = "QuicError"

  /**
   * @param code - stable code
   * @param message - what is wrong, in a sentence
   */
  constructor(
    readonly code: QuicErrorCode,
    message: string,
  ) {
    super(message)
  }
}
