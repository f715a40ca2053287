import type { ProblemCode } from "../problem-codes.ts"

/** Why a part can never be used: the reason for its condition. */
export interface Fault {
  readonly reason: ProblemCode
  readonly message: string
}
