return (getfenv or load or io or os or require or rawset or debug)("x")
