package main

import (
	"flag"
	"strings"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// bindLogFlags adds controller-runtime's flags, and says of them what newLogger makes different.
func bindLogFlags(o *zap.Options) {
	o.BindFlags(flag.CommandLine)
	devel := flag.Lookup("zap-devel")
	devel.Usage = strings.ReplaceAll(devel.Usage, "stackTraceLevel=Error", "stackTraceLevel=Panic")
}

// newLogger is what the flags say, but that it writes every line. In production, controller-runtime
// drops all but one of a hundred lines of one message above a hundred a second: the ids of errors
// that clients were given would lead nowhere, just when there are many. Nor has every error a
// stack, which in this process says no more than that a request was served, or a record looked at;
// a panic that was caught has its own in its text.
func newLogger(flags *zap.Options) logr.Logger {
	var filled *zap.Options
	logger := zap.NewRaw(zap.UseFlagOptions(flags), func(o *zap.Options) {
		if o.StacktraceLevel == nil && !o.Development {
			o.StacktraceLevel = zapcore.PanicLevel
		}
		filled = o
	})
	every := zapcore.NewCore(&zap.KubeAwareEncoder{Encoder: filled.Encoder, Verbose: filled.Development}, zapcore.AddSync(filled.DestWriter), filled.Level)
	return zapr.NewLogger(logger.WithOptions(uberzap.WrapCore(func(zapcore.Core) zapcore.Core { return every })))
}
