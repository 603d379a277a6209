package main

// What the generated code imports, so that go.mod has it also where nothing is generated.
import _ "github.com/oapi-codegen/runtime"
