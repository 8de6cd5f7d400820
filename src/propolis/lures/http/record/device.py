"""The page that a small device shows: a login form of nobody in particular."""

PAGE = """<html>
<head><title>Login</title></head>
<body>
<form action="/login.cgi" method="post">
<input type="text" name="username" size="16">
<input type="password" name="password" size="16">
<input type="submit" value="Login">
</form>
</body>
</html>
"""
