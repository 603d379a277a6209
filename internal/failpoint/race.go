//go:build seededrace

package failpoint

// last is the point that was reached last.
var last Name

// Hit is a data race: it writes a variable that nothing guards. Whatever claims to find races has
// to find this one, in a build with the tag "seededrace".
func Hit(name Name) { last = name }
