// Package dev runs Gildway on the local stack: it makes the keys and the configuration of a development
// installation, starts sandbox, API and worker beside the servers, and says where everything is.
package dev
