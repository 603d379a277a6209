package main

import (
	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// newLogger is what the flags say, but that it writes every line. In production, controller-runtime drops all but one of a hundred lines of one message above a hundred a second: the
// ids of errors that clients were given would lead nowhere, just when there are many.
func newLogger(flags *zap.Options) logr.Logger {
	var filled *zap.Options
	logger := zap.NewRaw(zap.UseFlagOptions(flags), func(o *zap.Options) { filled = o })
	every := zapcore.NewCore(&zap.KubeAwareEncoder{Encoder: filled.Encoder, Verbose: filled.Development}, zapcore.AddSync(filled.DestWriter), filled.Level)
	return zapr.NewLogger(logger.WithOptions(uberzap.WrapCore(func(zapcore.Core) zapcore.Core { return every })))
}
