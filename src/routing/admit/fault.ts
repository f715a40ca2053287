/** Why a part can never be used: the reason for its condition. */
export interface Fault {
  readonly reason: string
  readonly message: string
}
