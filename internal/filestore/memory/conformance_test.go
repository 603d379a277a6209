package memory_test

import (
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore/storetest"
)

func TestConformance(t *testing.T) {
	table := storetest.NewTable()
	storetest.Run(t, table, storetest.Memory)
	t.Run("LikeVersityGW", func(t *testing.T) { storetest.Run(t, table, storetest.MemoryLikeVersityGW) })
	t.Log("\n" + table.String())
}

func TestRaces(t *testing.T) { storetest.RunRaces(t, storetest.Memory) }
