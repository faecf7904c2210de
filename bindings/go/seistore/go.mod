module github.com/flatkv/flatkv/bindings/go/seistore

go 1.24

require github.com/flatkv/flatkv/bindings/go v0.0.0

replace github.com/flatkv/flatkv/bindings/go => ..
