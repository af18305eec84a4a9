return { api = 1, engine = "x", metrics = {} }
