package search

import (
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// File is a file on its way through a search.
type File struct {
	object filestore.Object
	// path ends with a slash, and is empty at the root, so that path + name is what follows the
	// entity in the file's address.
	path, name string
	// meta is nil as long as it is unknown.
	meta *upload.FileMetadata
	// sort is the value of the property that the answer is ordered by.
	sort value
	gone bool
}

// Listed is a file as clients see it. The names are those of the service that this API comes
// from, whose clients rely on each of them to be there.
type Listed struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	Type        string `json:"type"`
	Size        int64  `json:"size"`
	Timestamp   string `json:"timestamp"`
	Created     string `json:"created"`
	Updated     string `json:"updated"`
	CreatedBy   string `json:"createdBy"`
	UpdatedBy   string `json:"updatedBy"`
	Description string `json:"description"`
	ETag        int64  `json:"etag"`
	// TenantID is the namespace, and StoragePrefix what objectKey begins with: here the same.
	TenantID      string `json:"tenantId"`
	StoragePrefix string `json:"storagePrefix"`
}

// set takes what is known of the object.
func (f *File) set(o filestore.Object) {
	if o.Metadata != nil {
		meta := upload.DecodeFileMetadata(o.Metadata)
		f.meta = &meta
	}
	o.Metadata = nil
	f.object = o
}

// value is a property of the file. What a listing does not tell is known only with the metadata.
func (f *File) value(of field) value {
	switch of {
	case fieldName:
		return textValue(f.name)
	case fieldPath:
		return textValue(f.path)
	case fieldSize:
		return numberValue(f.object.Size)
	case fieldUpdated:
		return timeValue(f.object.Modified)
	}
	if f.meta == nil {
		return value{}
	}
	switch of {
	case fieldType:
		return textValue(content.Kind(f.object))
	case fieldTimestamp:
		return timeValue(f.timestamp())
	case fieldCreated:
		return timeValue(f.created())
	case fieldCreatedBy:
		return textValue(f.meta.CreatedBy)
	case fieldUpdatedBy:
		return textValue(f.meta.UpdatedBy)
	case fieldDescription:
		return textValue(f.meta.Description)
	case fieldETag:
		return numberValue(f.meta.Version)
	}
	return value{}
}

// created is when the file was first stored; of the files of others only the last time is known.
// Our clock counts milliseconds, and object storage whole seconds that it cuts off: no file shows
// an update before its creation.
func (f *File) created() time.Time {
	if f.meta.Created.IsZero() || f.meta.Created.After(f.object.Modified) {
		return f.object.Modified
	}
	return f.meta.Created
}

// timestamp is the time that the client gave, or that of storing where it gave none: a listing
// always shows one, as clients expect.
func (f *File) timestamp() time.Time {
	if f.meta.Timestamp.IsZero() {
		return f.object.Modified
	}
	return f.meta.Timestamp
}

// Listed is how clients of a namespace see the file.
func (f *File) Listed(namespace string) Listed {
	return Listed{
		Name: f.name, Path: f.path, Type: content.Kind(f.object), Size: f.object.Size,
		Timestamp: formatTime(f.timestamp()), Created: formatTime(f.created()), Updated: formatTime(f.object.Modified),
		CreatedBy: f.meta.CreatedBy, UpdatedBy: f.meta.UpdatedBy, Description: f.meta.Description, ETag: f.meta.Version,
		TenantID: namespace, StoragePrefix: namespace,
	}
}
