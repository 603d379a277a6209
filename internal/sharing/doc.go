// Package sharing divides places among those who want them: the FileStores, and in each the
// namespaces. Nobody is known in advance, and nothing is reserved for who is silent.
package sharing
