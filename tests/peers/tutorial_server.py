import socket
from Crypto.PublicKey import RSA
from Crypto.Cipher import PKCS1_OAEP

def start_server():
    server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server_socket.bind(('localhost', 8000))
    server_socket.listen(1)
    print('Waiting for incoming connections...')
    
    client_socket, client_address = server_socket.accept()
    print('Connected to:', client_address)
    
    # RSA 키 쌍 생성
    key = RSA.generate(2048)
    private_key = key.export_key()
    public_key = key.publickey().export_key()
    
    # 클라이언트에게 공개 키 전송
    client_socket.send(public_key)

    # 암호화 및 복호화를 위한 RSA 암호화 객체 생성
    cipher = PKCS1_OAEP.new(key)
    
    while True:
        data = client_socket.recv(1024)
        decrypted_data = cipher.decrypt(data)
        
        if decrypted_data.decode('utf-8') == 'exit':
            break
        
        print('Received:', decrypted_data.decode('utf-8'))
        
        message = input('Enter message: ')
        encrypted_message = cipher.encrypt(message.encode('utf-8'))
        client_socket.send(encrypted_message)
    
    client_socket.close()
    server_socket.close()

start_server()
