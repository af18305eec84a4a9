return coroutine and coroutine.wrap(function() while true do end end)()
