package dataplane

import (
	"net/http"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestFinalNumber(t *testing.T) {
	p := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		numbers []int32 // negative ones are unclear
		fixed   *int32
		want    int32
		ok      bool
	}{
		{nil, nil, 1, true},
		{[]int32{1, 2}, nil, 3, true},
		{[]int32{1, 3}, nil, 0, false},
		{[]int32{2}, nil, 0, false},
		{nil, p(1), 1, true},
		{[]int32{1}, p(1), 1, true},
		{[]int32{1, 2}, p(3), 3, true},
		{[]int32{1, 2, 3}, p(3), 3, true},
		{[]int32{1, 3}, p(3), 0, false},
		{[]int32{1, 2, 3, 4}, p(3), 0, false},
		{[]int32{2}, p(1), 0, false},
		{[]int32{-1}, nil, 0, false},
		{[]int32{1, -2}, nil, 0, false},
		{[]int32{-1, 2}, nil, 0, false},
		{[]int32{1, -2}, p(2), 2, true}, // it is sent again by this request
		{[]int32{1, -2}, p(3), 0, false},
	} {
		var parts []upload.Part
		for _, n := range tt.numbers {
			parts = append(parts, upload.Part{Number: max(n, -n), Unclear: n < 0})
		}
		got, err := finalNumber(parts, tt.fixed)
		if (err == nil) != tt.ok || (tt.ok && got != tt.want) {
			t.Errorf("finalNumber(%v, %v) = %d, %v", tt.numbers, tt.fixed, got, err)
		}
	}
}

func TestBindAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "localhost:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false, "nonsense": false,
	} {
		err := checkBind(Options{BindAddress: address, Authenticator: NoAuthentication{}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if address != "nonsense" && checkBind(Options{BindAddress: address, Authenticator: somebody{}}) != nil {
			t.Errorf("%s is refused with authentication", address)
		}
	}
}

type somebody struct{}

func (somebody) Authenticate(*http.Request) (identity.Identity, error) {
	return identity.Identity{}, nil
}
