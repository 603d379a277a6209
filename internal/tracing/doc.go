// Package tracing sends OpenTelemetry traces where the standard environment variables say, and
// nothing unless they do.
package tracing
