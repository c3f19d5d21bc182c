module wire

go 1.26
