return { api = 1, engine = "x", metrics = {}, adapters = { load = function() end, list = function() end } }
