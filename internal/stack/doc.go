// Package stack runs Gildway's local stack: it finds or builds Postgres,
// Temporal and Vault, starts them, watches over them and stops them, so that
// development and tests meet the real servers. It knows nothing of the product.
package stack
