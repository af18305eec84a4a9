local t = { api = 1, engine = "x", metrics = {} }
t.metrics[1] = t
t.labels = t
return t
