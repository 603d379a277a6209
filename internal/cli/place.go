package cli

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
)

var entityPattern = regexp.MustCompile(`^[a-f0-9]{32}$`)

// place is what an argument such as ENTITY/PATH means.
type place struct {
	// entity is never empty; path is "" for all of the entity, and has no slash at its end.
	entity, path string
	// dir: the argument names what is above files, by a slash at its end or by naming the entity
	// alone.
	dir bool
}

// place reads an argument. Where a flag gives the entity, the argument is a path of it. Else it
// begins with an entity, or is a path of the default one.
func (e *environment) place(arg string) (place, error) {
	entity, explicit := e.flags.Entity()
	first, rest, _ := strings.Cut(arg, "/")
	path := arg
	if !explicit && entityPattern.MatchString(first) {
		entity, path = first, rest
	}
	if !entityPattern.MatchString(entity) {
		if entity != "" {
			return place{}, noEntity(entity)
		}
		return place{}, usagef("%q does not begin with an entity, which is 32 lower-case hexadecimal digits: write ENTITY/PATH, or give --entity", arg)
	}
	p := place{entity: entity, path: strings.TrimSuffix(path, "/")}
	p.dir = p.path == "" || p.path != path
	return p, nil
}

// file is the place as the client names a file.
func (p place) file() string { return p.entity + "/" + p.path }

// filePlace reads an argument that has to name a file.
func (e *environment) filePlace(arg string) (string, error) {
	p, err := e.place(arg)
	if err != nil {
		return "", err
	}
	if p.dir {
		return "", usagef("%q names no file: write ENTITY/PATH", arg)
	}
	return p.file(), nil
}

// connectFor reads an argument that has to name a file, and connects.
func (e *environment) connectFor(ctx context.Context, arg string) (file string, c *connection.Connection, err error) {
	if file, err = e.filePlace(arg); err != nil {
		return "", nil, err
	}
	c, err = e.flags.Connect(ctx, nil)
	return file, c, err
}

// anyEntity stands for entities that no role names.
const anyEntity = "00000000000000000000000000000000"

// entityOr is the entity that was named, else the default one, else anyEntity.
func (e *environment) entityOr(named string) (string, error) {
	given, _ := e.flags.Entity()
	entity := cmp.Or(named, given, anyEntity)
	if !entityPattern.MatchString(entity) {
		return "", noEntity(entity)
	}
	return entity, nil
}

func noEntity(text string) error {
	return usagef("the entity %q is not 32 lower-case hexadecimal digits", text)
}

// below is a name below the place.
func (p place) below(name string) string {
	if p.path == "" {
		return p.entity + "/" + name
	}
	return p.entity + "/" + p.path + "/" + name
}
