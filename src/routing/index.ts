export type * from "./resources.ts"
export type * from "./route-table.ts"
export type { Channel, ValidatedKind } from "./validation/kinds.ts"
export { applyDefaults, type ValidateOptions, validateObject } from "./validation/validate.ts"
