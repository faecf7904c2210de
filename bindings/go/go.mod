module github.com/flatkv/flatkv/bindings/go

go 1.24
