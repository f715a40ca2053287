import type { ProblemCode } from "../problem-codes.ts"
import type { ObjectRef } from "../resources.ts"

/** Why a part can never be used: the reason for its condition. */
export interface Fault {
  readonly reason: ProblemCode
  readonly message: string
  /** The object whose own fault this follows from. */
  readonly cause?: ObjectRef
}
