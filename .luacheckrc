std = "luajit"
max_line_length = 120
files["spec"] = { std = "+busted" }
exclude_files = { "tests/fuzz/corpus" } -- made to be wrong
